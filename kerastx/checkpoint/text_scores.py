"""How probable texts are to a language model: the probability of a sentence, its fluency, the next word.

A language model gives each token a probability after those before it, and so the text theirs together. A masked model
gives each token one among all others: the pseudo-log-likelihood of Salazar et al., 2020,
https://arxiv.org/abs/1910.14659.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastx.checkpoint.masked_words import MASKED_TASKS
from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tasks import GENERATING_TASKS
from kerastx.errors import CheckpointError
from kerastx.runtime.sampling import log_softmax
from kerastx.runtime.texts import checked_texts

SCORING_TASKS = (*GENERATING_TASKS, *MASKED_TASKS)
ROWS_AT_ONCE = 16
LOGITS_AT_ONCE = 2**25  # numbers; 128 MB


@dataclass(frozen=True)
class TextScore:
    """How probable a text is.

    Attributes:
        tokens: as they stand in the vocabulary.
        log_probabilities: of each of them, natural logarithms.
    """

    tokens: tuple[str, ...]
    log_probabilities: tuple[float, ...]

    @property
    def log_probability(self) -> float:
        """Of all tokens together."""
        return math.fsum(self.log_probabilities)

    @property
    def perplexity(self) -> float:
        """How many equally probable tokens each one was chosen from, in the mean; 1 for a text without tokens."""
        return math.exp(-self.log_probability / max(len(self.tokens), 1))


def score(
    checkpoint: Checkpoint, texts: Sequence[str], targets: Sequence[str] | None = None, *, first: int = 0
) -> list[TextScore]:
    """Return how probable each text is; of an encoder-decoder each target, with its end, given its source.

    Args:
        checkpoint: of the task "language_model", "seq2seq", "masked_lm" or "pretraining".
        texts: N strings; sources are cut to `max_length` tokens.
        targets: N strings, of "seq2seq" and only of it.
        first: number of the first text, for errors.

    Raises:
        CheckpointError: the checkpoint is of another task.
        TypeError: anything but strings.
        ValueError: a text has more tokens than the model has room for, or targets are missing or too many.
    """
    texts = _checked(checkpoint, texts, targets)
    if checkpoint.task in MASKED_TASKS:
        return [_masked_score(checkpoint, text, number) for number, text in enumerate(texts, first)]
    tokenizer = checkpoint.tokenizer
    # The first token is scored too: before it stands what a text begins with where nothing else does.
    begin, end = tokenizer.begin_ids, tokenizer.end_ids[:1] if checkpoint.task == "seq2seq" else ()
    written = texts if targets is None else checked_texts(targets, "target")
    rows = [[*ids.tolist(), *end] for ids in tokenizer.encode_ids(written)]
    for number, row in enumerate(rows, first):
        _check_room(number, len(row), checkpoint.config.max_sequence_length - len(begin) + 1)
    # Nothing follows the last token, so that it need not be read.
    read = [[*begin, *row[:-1]] for row in rows]
    found = _logits(checkpoint, read, None if targets is None else texts)
    return [
        TextScore(tuple(map(tokenizer.token, row)), tuple(_log_probabilities(logits[len(begin) - 1 :], row)))
        for row, logits in zip(rows, found, strict=True)
    ]


def next_words(checkpoint: Checkpoint, text: str, target: str | None = None, *, top: int) -> list[tuple[str, float]]:
    """Return the most probable next tokens, the best first, with their probabilities.

    Args:
        checkpoint: of the task "language_model" or "seq2seq".
        text: that is gone on from; of "seq2seq" the source.
        target: of "seq2seq" what is written so far.
        top: how many.
    """
    (text,) = _checked(checkpoint, [text], None if target is None else [target])
    tokenizer = checkpoint.tokenizer
    (ids,) = tokenizer.encode_ids([text if target is None else target])
    before = tokenizer.template.before if target is None else tokenizer.begin_ids
    row = [*before, *ids.tolist()] or [*tokenizer.begin_ids]
    _check_room(0, len(row), checkpoint.config.max_sequence_length)
    (logits,) = _logits(checkpoint, [row], None if target is None else [text])
    last = log_softmax(logits[-1])[: tokenizer.vocabulary_size]
    best = np.argsort(-last, kind="stable")[:top]
    return [(tokenizer.token(int(token)), float(np.exp(last[token]))) for token in best]


def _checked(checkpoint: Checkpoint, texts: Sequence[str], targets: Sequence[str] | None) -> list[str]:
    if checkpoint.task not in SCORING_TASKS:
        raise CheckpointError(
            f"a {checkpoint.task} checkpoint gives texts no probability; expected one of {', '.join(SCORING_TASKS)}"
        )
    texts = checked_texts(texts)
    if (checkpoint.task == "seq2seq") != (targets is not None):
        raise ValueError(
            "a seq2seq checkpoint scores a target for each text: give them."
            if targets is None
            else f"a {checkpoint.task} checkpoint scores texts alone, got targets too."
        )
    if targets is not None and len(targets) != len(texts):
        raise ValueError(f"targets must be as many as texts, got {len(targets)} and {len(texts)}.")
    return texts


def _logits(checkpoint: Checkpoint, rows: list[list[int]], sources: list[str] | None) -> Iterator[np.ndarray]:
    """Yield for each row of L tokens the logits of what follows each of them, float32 (L, V)."""
    tokenizer = checkpoint.tokenizer
    for part in _parts([len(row) for row in rows], checkpoint.config.vocabulary_size):
        width = max(len(rows[row]) for row in part)
        token_ids = np.full((len(part), width), tokenizer.pad_id, np.int32)
        mask = np.zeros(token_ids.shape, bool)
        for place, row in enumerate(part):
            token_ids[place, : len(rows[row])] = rows[row]
            mask[place, : len(rows[row])] = True
        inputs: dict[str, Any] = {"token_ids": token_ids, "padding_mask": mask}
        if sources is not None:
            inputs = {f"target_{name}": values for name, values in inputs.items()}
            source_tokenizer = checkpoint.source_tokenizer or tokenizer
            encodings = source_tokenizer.encode_batch([sources[row] for row in part], max_length=checkpoint.max_length)
            padded = source_tokenizer.pad(encodings)
            inputs |= {f"source_{name}": padded[name] for name in ("token_ids", "padding_mask")}
        logits = checkpoint.model.predict_on_batch(inputs)["logits"]
        yield from (logits[place, : len(rows[row])] for place, row in enumerate(part))


def _parts(lengths: list[int], vocabulary_size: int) -> Iterator[range]:
    """Yield rows that run together, in order: not more logits than `LOGITS_AT_ONCE` where there are several."""
    start = 0
    while start < len(lengths):
        end, width = start + 1, lengths[start]
        while end < len(lengths) and end - start < ROWS_AT_ONCE:
            width = max(width, lengths[end])
            if (end + 1 - start) * width * vocabulary_size > LOGITS_AT_ONCE:
                break
            end += 1
        yield range(start, end)
        start = end


def _log_probabilities(logits: np.ndarray, tokens: list[int]) -> Iterator[float]:
    """Yield the log-probability of each of L tokens, of logits float (L, V)."""
    for values, token in zip(logits, tokens, strict=False):
        yield float(log_softmax(values)[token])


def _masked_score(checkpoint: Checkpoint, text: str, number: int) -> TextScore:
    """Return a text with the log-probability of each token where it alone is masked."""
    tokenizer = checkpoint.tokenizer
    encoding = tokenizer.encode(text)
    _check_room(number, len(encoding), checkpoint.config.max_sequence_length)
    # Only tokens of the text are scored, not those that the template puts around them.
    before = next(place for place, slot in enumerate(tokenizer.template.single) if slot.text is not None)
    length = len(encoding) - tokenizer.template.num_special(is_pair=False)
    positions = np.arange(before, before + length, dtype=np.int32)
    row = tokenizer.pad([encoding])
    scores: list[float] = []
    for start in range(0, length, ROWS_AT_ONCE):
        part = positions[start : start + ROWS_AT_ONCE]
        inputs = {name: np.repeat(values, len(part), axis=0) for name, values in row.items()}
        inputs["token_ids"][np.arange(len(part)), part] = tokenizer.mask_id
        logits = checkpoint.model.predict_on_batch({**inputs, "masked_positions": part[:, None]})["masked_lm"]
        found = log_softmax(logits[:, 0, : tokenizer.vocabulary_size])
        scores += found[np.arange(len(part)), encoding.token_ids[part]].tolist()
    return TextScore(tuple(tokenizer.token(int(token)) for token in encoding.token_ids[positions]), tuple(scores))


def _check_room(number: int, length: int, places: int) -> None:
    if length > places:
        raise ValueError(f"text {number} has {length} tokens, and the model has room for {places}: shorten it.")
