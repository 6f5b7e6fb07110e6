"""How probable tokens are after those before them, whatever computes the logits: a Keras model or an exported file.

A file's step answers the logits behind its last token only. So its rows are read as they would be written: several
together, one token at a time, with the cache of the tokens before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kerastx.runtime.sampling import log_softmax
from kerastx.runtime.step_decoder import NO_TOKEN, Steps
from kerastx.text.encoding import Encoding, TextEncoder

ROWS_AT_ONCE = 32
LOGITS_AT_ONCE = 2**22  # numbers of one step; several arrays of them in float64 are held, 32 MB each


@dataclass(frozen=True, eq=False)
class Row:
    """Tokens of a text, and of which of them the probability is asked for.

    Attributes:
        token_ids: int32 (L,), two at least.
        scored: how many of the last; those before are read only. At most L - 1: nothing foretells the first.
        source: of an encoder-decoder what the text is written for.
    """

    token_ids: np.ndarray
    scored: int
    source: Encoding | None = None

    @property
    def num_read(self) -> int:
        """Nothing follows the last token, so that it need not be read."""
        return len(self.token_ids) - 1


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows that are read together.

    Attributes:
        token_ids: int32 (B, T), padded on the right.
        padding_mask: bool (B, T).
        sources: token_ids int32 (B, R) and padding_mask bool (B, R); None where there are none.
    """

    token_ids: np.ndarray
    padding_mask: np.ndarray
    sources: dict[str, np.ndarray] | None = None


# Yields the logits of what follows each place in turn, float32 (B, V), T times; of padding they mean nothing.
ReadLogits = Callable[[Batch], Iterator[np.ndarray]]


def step_logits(steps: Steps, batch: Batch) -> Iterator[np.ndarray]:
    """Yield the logits behind each place of a batch, float32 (B, V), from steps of one token."""
    sources = batch.sources
    source = {} if sources is None else steps.encode(sources["token_ids"], sources["padding_mask"])
    cache = steps.empty_cache(*batch.token_ids.shape)
    for place in range(batch.token_ids.shape[1]):
        now = slice(place, place + 1)
        positions = np.where(batch.padding_mask[:, now], place, NO_TOKEN).astype(np.int32)
        logits, cache = steps.step(batch.token_ids[:, now], positions, cache, first_slot=place, source=source)
        yield logits


def batch_of(rows: Sequence[Row], source_tokenizer: TextEncoder | None = None) -> Batch:
    """Return rows as one batch, all their tokens but the last of each."""
    token_ids = np.zeros((len(rows), max(row.num_read for row in rows)), np.int32)
    mask = np.zeros(token_ids.shape, bool)
    for number, row in enumerate(rows):
        token_ids[number, : row.num_read] = row.token_ids[:-1]
        mask[number, : row.num_read] = True
    if source_tokenizer is None:
        return Batch(token_ids, mask)
    return Batch(token_ids, mask, source_tokenizer.pad([row.source for row in rows if row.source is not None]))


def scored_places(rows: Sequence[Row]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield for each place the rows of a batch with a scored token behind it, and these tokens: int (R,), int (R,)."""
    for place in range(max(row.num_read for row in rows)):
        numbers = [number for number, row in enumerate(rows) if row.num_read - row.scored <= place < row.num_read]
        yield np.array(numbers, np.int64), np.array([rows[one].token_ids[place + 1] for one in numbers], np.int64)


def log_probabilities(read: ReadLogits, rows: Sequence[Row], batch: Batch) -> list[np.ndarray]:
    """Return the log-probabilities of the scored tokens of each row of a batch, float64 (scored,)."""
    found: list[list[float]] = [[] for _ in rows]
    for logits, (numbers, wanted) in zip(read(batch), scored_places(rows), strict=True):
        if len(numbers):
            for number, value in zip(numbers, of_tokens(logits[numbers], wanted), strict=True):
                found[number].append(float(value))
    return [np.array(values) for values in found]


def of_tokens(logits: np.ndarray, token_ids: np.ndarray) -> np.ndarray:
    """Return the log-probability of one token a row, float64 (B,), of logits float (B, V)."""
    return log_softmax(logits)[np.arange(len(token_ids)), token_ids]


def parts(rows: Sequence[Row], *, places_at_once: int, rows_at_once: int) -> Iterator[list[int]]:
    """Yield the numbers of rows that are read together: of like length, and not more than there may be at once."""

    def order(number: int) -> tuple[int, int]:
        row = rows[number]
        return row.num_read, 0 if row.source is None else len(row.source)

    part: list[int] = []
    for number in sorted(range(len(rows)), key=order):
        longest = rows[number].num_read
        if part and (len(part) >= rows_at_once or (len(part) + 1) * longest > places_at_once):
            yield part
            part = []
        part.append(number)
    if part:
        yield part
