"""How closely a file that writes follows Keras: the logits of the same tokens, read as they are when texts are written.

A prompt at once, padded on the left, then one token at a time, each with the cache of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerastx.checkpoint.generating import steps_of, vocabularies_of
from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ExportError
from kerastx.runtime.file_steps import FileSteps
from kerastx.runtime.sampling import log_softmax
from kerastx.runtime.step_decoder import NO_TOKEN, Steps
from kerastx_export.probe_texts import probe_texts
from kerastx_export.recipes import Recipe

ROWS, TOKENS, PROMPT, SOURCE = 16, 32, 12, 48
# Log-probabilities of a file may differ from Keras' by this much at most, by how weights are stored; in 8 bits it is
# their cosine and the perplexity that count.
TOLERANCE = {"float32": 1e-3, "float16": 0.1}
MIN_COSINE = 0.99
MAX_PERPLEXITY_RATIO = 1.05


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


def compare(checkpoint: Checkpoint, steps: FileSteps) -> StepParity:
    """Compare the steps of a file with those of the checkpoint it was made from, on texts of our own."""
    token_ids, positions, sources = _rows(checkpoint)
    keras, file = (_logits(one, token_ids, positions, sources) for one in (steps_of(checkpoint), steps))
    # The logits of a place are of the token behind it.
    wanted = token_ids[:, PROMPT:]
    expected, found = log_softmax(keras[:, :-1]), log_softmax(file[:, :-1])

    def perplexity(values: np.ndarray) -> float:
        return float(np.exp(-np.take_along_axis(values, wanted[..., None].astype(np.int64), axis=2).mean()))

    centered = [logits - logits.mean(-1, keepdims=True) for logits in (keras, file)]
    norms = np.linalg.norm(centered[0], axis=-1) * np.linalg.norm(centered[1], axis=-1)
    cosine = (centered[0] * centered[1]).sum(-1) / np.maximum(norms, 1e-30)
    return StepParity(
        tokens=wanted.size,
        max_difference=float(np.abs(expected - found).max()),
        mean_cosine=float(cosine.mean()),
        same_best=float((keras.argmax(-1) == file.argmax(-1)).mean()),
        perplexity=perplexity(found),
        keras_perplexity=perplexity(expected),
    )


def check(recipe: Recipe, parity: StepParity) -> None:
    """Raise ExportError unless a file follows Keras as closely as its recipe must."""
    tolerance = TOLERANCE.get(recipe.weight_dtype)
    if tolerance is not None and not parity.max_difference <= tolerance:  # NaN too
        raise ExportError(
            f"{recipe.name}: a log-probability differs from Keras by {parity.max_difference:.2g}; at most {tolerance} "
            "is allowed"
        )
    ratio = parity.perplexity / parity.keras_perplexity
    if not (parity.mean_cosine >= MIN_COSINE and ratio <= MAX_PERPLEXITY_RATIO):
        raise ExportError(
            f"{recipe.name}: the logits of file and Keras have a mean cosine of {parity.mean_cosine:.4f} and the "
            f"perplexities a ratio of {ratio:.3f}; at least {MIN_COSINE} and at most {MAX_PERPLEXITY_RATIO} are asked "
            "for"
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
    places = np.arange(length)[None] - np.arange(rows)[:, None] % (PROMPT // 2)
    positions = np.where(places < 0, NO_TOKEN, places).astype(np.int32)
    if vocabularies.source_tokenizer is None:
        return token_ids, positions, None
    longest = min(SOURCE, checkpoint.max_length)
    encodings = vocabularies.source_tokenizer.encode_batch(np.resize(texts, rows).tolist(), max_length=longest)
    return token_ids, positions, vocabularies.source_tokenizer.pad(encodings)


def _logits(
    steps: Steps, token_ids: np.ndarray, positions: np.ndarray, sources: dict[str, np.ndarray] | None
) -> np.ndarray:
    """Return the logits at the last token of the prompt and at each one behind it, float32 (B, T - PROMPT + 1, V)."""
    source = {} if sources is None else steps.encode(sources["token_ids"], sources["padding_mask"])
    cache = steps.empty_cache(*token_ids.shape)
    logits, cache = steps.step(token_ids[:, :PROMPT], positions[:, :PROMPT], cache, first_slot=0, source=source)
    found = [logits]
    for place in range(PROMPT, token_ids.shape[1]):
        now = slice(place, place + 1)
        logits, cache = steps.step(token_ids[:, now], positions[:, now], cache, first_slot=place, source=source)
        found.append(logits)
    return np.stack(found, axis=1)
