"""How closely a file that writes follows Keras: the logits of the same tokens, read as they are when texts are written.

A prompt at once, padded on the left, then one token at a time, each with the cache of the one before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from kerastx.analysis.held_rows import HeldRows
from kerastx.checkpoint.generating import steps_of, vocabularies_of
from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.text_scores import scorer_of
from kerastx.errors import ExportError
from kerastx.runtime.file_steps import FileSteps
from kerastx.runtime.sampling import log_softmax
from kerastx.runtime.step_decoder import NO_TOKEN, Steps
from kerastx.runtime.text_probabilities import scored_places
from kerastx.runtime.text_scores import Scorer, step_scorer
from kerastx_export.greedy_parity import GreedyParity
from kerastx_export.probe_texts import probe_texts
from kerastx_export.recipes import Recipe

ROWS, TOKENS, PROMPT, SOURCE = 16, 32, 12, 48
# Log-probabilities of a file may differ from Keras' by this much at most, by how weights are stored; in 8 bits it is
# their cosine and the perplexity that count.
TOLERANCE = {"float32": 1e-3, "float16": 0.1}
# Differences of a tenth of the logits' own standard deviation leave them a mean cosine of 1/√(1 + 0.1²). Good files of
# 8 bits have 0.9998, of models of 16 dimensions 0.9993.
MIN_COSINE = 0.995
# A perplexity may move by one hundredth, and by what chance makes of few tokens: in 8 bits the log-probability of one
# moves by 0.1 to either side, so that the mean of n moves by 0.1/√n and next to never by three times as much.
MAX_PERPLEXITY_CHANGE = 0.01
CHANCE = 0.3


@dataclass(frozen=True)
class StepParity:
    """The comparison of a file with Keras.

    Attributes:
        tokens: that were compared.
        max_difference: of a log-probability.
        mean_cosine: of the logits of a token, those of both without their mean.
        same_best: share of tokens with the same most probable one.
        perplexity, keras_perplexity: of the tokens.
    """

    tokens: int
    max_difference: float
    mean_cosine: float
    same_best: float
    perplexity: float
    keras_perplexity: float


class _Tally:
    """Adds up what a `StepParity` says; the logits of all tokens together would not fit into memory."""

    def __init__(self) -> None:
        self._tokens = self._same = 0
        self._max_difference = self._cosines = self._file = self._keras = 0.0

    def add(self, keras: np.ndarray, file: np.ndarray, wanted: np.ndarray) -> None:
        """Compare logits float (B, V) of both, behind which the tokens int (B,) stand."""
        rows = np.arange(len(wanted))
        expected, found = log_softmax(keras), log_softmax(file)
        centered = [logits - logits.mean(-1, keepdims=True) for logits in (keras, file)]
        norms = np.linalg.norm(centered[0], axis=-1) * np.linalg.norm(centered[1], axis=-1)
        self._cosines += float(((centered[0] * centered[1]).sum(-1) / np.maximum(norms, 1e-30)).sum())
        # NaN stays NaN, which the larger of two numbers may not.
        self._max_difference = float(np.maximum(self._max_difference, np.abs(expected - found).max()))
        self._same += int((keras.argmax(-1) == file.argmax(-1)).sum())
        self._keras += float(expected[rows, wanted].sum())
        self._file += float(found[rows, wanted].sum())
        self._tokens += len(wanted)

    @property
    def parity(self) -> StepParity:
        return StepParity(
            tokens=self._tokens,
            max_difference=self._max_difference,
            mean_cosine=self._cosines / self._tokens,
            same_best=self._same / self._tokens,
            perplexity=float(np.exp(-self._file / self._tokens)),
            keras_perplexity=float(np.exp(-self._keras / self._tokens)),
        )


def compare(checkpoint: Checkpoint, steps: FileSteps) -> StepParity:
    """Compare the steps of a file with those of the checkpoint it was made from, on texts of our own."""
    token_ids, positions, sources = _rows(checkpoint)
    prompt = min(PROMPT, token_ids.shape[1] // 2)
    both = (_logits(one, token_ids, positions, sources, prompt) for one in (steps_of(checkpoint), steps))
    tally = _Tally()
    # The logits of a place are of the token behind it.
    for wanted, keras, file in zip(token_ids[:, prompt:].T, *both, strict=True):
        tally.add(keras, file, wanted)
    return tally.parity


def compare_rows(checkpoint: Checkpoint, scorer: Scorer, rows: HeldRows, progress: Callable[[int], None]) -> StepParity:
    """Compare a file with Keras on the scored tokens of rows, which Keras reads at once where memory allows.

    Args:
        checkpoint: that the file was made from.
        scorer: of the file.
        rows: of held text, or targets.
        progress: called with the number of rows that are done.
    """
    tally, done = _Tally(), 0
    at_once, in_steps = scorer_of(checkpoint), step_scorer(vocabularies_of(checkpoint), steps_of(checkpoint))
    for numbers in scorer.parts(rows.rows):
        part = [rows.rows[number] for number in numbers]
        batch = scorer.batch(part)
        keras_scorer = at_once if batch.token_ids.size <= at_once.places_at_once else in_steps
        both = (keras_scorer.read(batch), scorer.read(batch))
        for (scored, wanted), keras, file in zip(scored_places(part), *both, strict=True):
            if len(scored):
                tally.add(keras[scored], file[scored], wanted)
        done += len(part)
        progress(done)
    return tally.parity


def check(recipe: Recipe, parity: StepParity) -> None:
    """Raise ExportError unless a file follows Keras as closely as its recipe must."""
    tolerance = TOLERANCE.get(recipe.weight_dtype)
    if tolerance is not None and not parity.max_difference <= tolerance:  # NaN too
        raise ExportError(
            f"{recipe.name}: a log-probability differs from Keras by {parity.max_difference:.2g}; at most {tolerance} "
            "is allowed"
        )
    ratio = parity.perplexity / parity.keras_perplexity
    change, allowed = abs(math.log(ratio)), math.log1p(MAX_PERPLEXITY_CHANGE) + CHANCE / math.sqrt(parity.tokens)
    if not (parity.mean_cosine >= MIN_COSINE and change <= allowed):
        raise ExportError(
            f"{recipe.name}: the logits of file and Keras have a mean cosine of {parity.mean_cosine:.4f} and the "
            f"perplexities of {parity.tokens:,} tokens a ratio of {ratio:.3f}; at least {MIN_COSINE} and, to either "
            f"side, at most {math.exp(allowed):.3f} are asked for"
        )


def check_greedy(recipe: Recipe, greedy: GreedyParity) -> None:
    """Raise ExportError where a file writes another token than Keras, unless the two are nearly as probable."""
    tolerance = TOLERANCE.get(recipe.weight_dtype)
    # Each of the two may move by the tolerance, the one up and the other one down.
    if tolerance is not None and not greedy.largest_gap <= 2 * tolerance:
        raise ExportError(
            f"{recipe.name}: writes {greedy.same_tokens} of {greedy.tokens} tokens as Keras does, then one whose "
            f"log-probability is {greedy.largest_gap:.2g} less; at most {2 * tolerance:g} is allowed"
        )


def _rows(checkpoint: Checkpoint) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray] | None]:
    """Return tokens and positions, int32 (B, T), whose rows begin one token later each up to half the prompt."""
    vocabularies = vocabularies_of(checkpoint)
    texts = [text for text in probe_texts() if text.strip()]
    stream = np.concatenate(vocabularies.tokenizer.encode_ids(texts))
    length = min(TOKENS, vocabularies.places - 1)
    rows = max(1, min(ROWS, len(stream) // length))
    token_ids = np.resize(stream, (rows, length)).astype(np.int32)
    begin = np.array(vocabularies.tokenizer.begin_ids, np.int32)
    token_ids[:, : len(begin)] = begin
    places = np.arange(length)[None] - np.arange(rows)[:, None] % max(1, min(PROMPT, length // 2) // 2)
    positions = np.where(places < 0, NO_TOKEN, places).astype(np.int32)
    if vocabularies.source_tokenizer is None:
        return token_ids, positions, None
    longest = min(SOURCE, checkpoint.max_length)
    encodings = vocabularies.source_tokenizer.encode_batch(np.resize(texts, rows).tolist(), max_length=longest)
    return token_ids, positions, vocabularies.source_tokenizer.pad(encodings)


def _logits(
    steps: Steps, token_ids: np.ndarray, positions: np.ndarray, sources: dict[str, np.ndarray] | None, prompt: int
) -> Iterator[np.ndarray]:
    """Yield the logits at the last token of the prompt and at each one behind it but the last, float32 (B, V)."""
    source = {} if sources is None else steps.encode(sources["token_ids"], sources["padding_mask"])
    cache = steps.empty_cache(*token_ids.shape)
    logits, cache = steps.step(token_ids[:, :prompt], positions[:, :prompt], cache, first_slot=0, source=source)
    yield logits
    for place in range(prompt, token_ids.shape[1] - 1):
        now = slice(place, place + 1)
        logits, cache = steps.step(token_ids[:, now], positions[:, now], cache, first_slot=place, source=source)
        yield logits
