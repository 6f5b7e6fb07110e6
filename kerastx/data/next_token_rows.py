"""Token store -> rows of a language model: the documents one after another, cut into windows of the same length.

Every epoch has each window once, in an order that is computed, not stored, and cut at other places, so a batch is a
pure function of (store, seed, step).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from kerastx.data.computed_order import hash_numbers, permuted
from kerastx.data.splits import SPLITS, held_back_documents
from kerastx.data.store import TokenStore
from kerastx.errors import DataError

MINIMUM_LENGTH = 8
VALIDATION_TAIL = 10  # of a store of few documents the last of so many parts of each is held back
_VALIDATION_SEED = 0


def next_token_batch(
    store: TokenStore, seed: int, step: int, *, batch_size: int, max_length: int, split: str = "train"
) -> dict[str, np.ndarray]:
    """Return the rows of one training step; the same arguments always give the same arrays.

    Documents end with the end token </s>, and a row goes on from one to the next. It opens with the start token <s>,
    as a prompt does, so that a row in the middle of a document looks like a prompt that begins there.

    Returns:
        token_ids, int32, (B, T): <s> and the tokens of a window but its last.
        labels, int32, (B, T): the tokens of the window.
        weights, float32, (B, T): ones; 0 for the first label where no document begins, for nothing foretells it.

    Raises:
        DataError: the split holds less than two windows.
    """
    labels, begins = window_batch(store, seed, step, batch_size=batch_size, max_length=max_length, split=split)
    weights = np.ones(labels.shape, np.float32)
    weights[:, 0] = begins
    opening = np.full((batch_size, 1), store.tokenizer.cls_id, np.int32)
    return {"token_ids": np.concatenate([opening, labels[:, :-1]], axis=1), "labels": labels, "weights": weights}


def window_batch(
    store: TokenStore, seed: int, step: int, *, batch_size: int, max_length: int, split: str = "train"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows of one training step, int32 (B, T), and whether a document begins with each, bool (B,)."""
    if max_length < MINIMUM_LENGTH:
        raise ValueError(f"max_length must be at least {MINIMUM_LENGTH}, got {max_length}.")
    count = num_windows(store, max_length, split)
    examples = np.uint64(step) * np.uint64(batch_size) + np.arange(batch_size, dtype=np.uint64)
    epochs = examples // np.uint64(count)
    keys = hash_numbers(np.uint64(seed if split == "train" else _VALIDATION_SEED), epochs)
    windows = permuted(examples % np.uint64(count), count, keys).astype(np.int64)
    # Held-out windows begin at the same places in every epoch: they are the same text for every seed.
    shifts = (keys % np.uint64(max_length)).astype(np.int64) if split == "train" else np.zeros_like(windows)
    return stream_of(store, split).read(shifts + windows * max_length, max_length)


def num_windows(store: TokenStore, max_length: int, split: str = "train") -> int:
    """Return how many rows an epoch has; DataError where they are less than two."""
    stream = stream_of(store, split)
    count = (stream.num_tokens - (max_length if split == "train" else 0)) // max_length
    if count < 2:
        raise DataError(
            f"{store.path}: expected some {3 * max_length:,} tokens in its {split} part for rows of {max_length}, "
            f"got {stream.num_tokens:,}; take a shorter --max-length or more text"
        )
    return count


@dataclass(frozen=True, eq=False)
class Stream:
    """The documents of a split one after another, each with an end token behind it.

    Attributes:
        store: of the documents.
        starts: int64, (M,); where each of them begins in the tokens of the store.
        lengths: int64, (M,); of each, without its end token.
        before: int64, (M + 1,); where each begins in the stream.
    """

    store: TokenStore
    starts: np.ndarray
    lengths: np.ndarray
    before: np.ndarray

    @property
    def num_tokens(self) -> int:
        return int(self.before[-1])

    def read(self, places: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens from each place on, int32 (B, length), and whether a document begins there, bool (B,)."""
        wanted = places[:, None] + np.arange(length)
        documents = np.searchsorted(self.before, wanted, "right") - 1
        offsets = wanted - self.before[documents]
        ends = offsets == self.lengths[documents]
        tokens = self.store.tokens[self.starts[documents] + np.minimum(offsets, self.lengths[documents] - 1)]
        return np.where(ends, self.store.tokenizer.sep_id, tokens).astype(np.int32), offsets[:, 0] == 0


@functools.lru_cache(maxsize=4)
def stream_of(store: TokenStore, split: str) -> Stream:
    """Return the stream of a split.

    Held back for validation are the documents that are held back from masked language models too; of a store with
    fewer than 100 documents the last tenth of each.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be train or validation, got {split!r}.")
    bounds = np.asarray(store.sentences)[np.asarray(store.documents)]
    starts, ends = bounds[:-1], bounds[1:]
    held_back = held_back_documents(store, least_sentences=1)
    if held_back.any():
        chosen = held_back == (split == "validation")
        starts, ends = starts[chosen], ends[chosen]
    else:
        cuts = ends - (ends - starts) // VALIDATION_TAIL
        starts, ends = (starts, cuts) if split == "train" else (cuts, ends)
        starts, ends = starts[ends > starts], ends[ends > starts]
    before = np.concatenate([[0], np.cumsum(ends - starts + 1)])
    return Stream(store, starts, ends - starts, before)
