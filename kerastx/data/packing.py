"""Several short sentence pairs in one row, so that little of a batch is padding.

Krell et al., 2021, https://arxiv.org/abs/2107.02027: pairs in a row do not see each other, and the positions of each
start at 0, so that a packed row trains like its pairs on rows of their own.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from kerastx.data.sentence_pairs import pair_batch
from kerastx.data.store import TokenStore

SAMPLE = 512  # pairs whose lengths stand for the store
FULLNESS = 0.95  # of the places of a batch, to plan for: what does not fit is left out
PACK_BELOW = 0.75  # share of real tokens in unpacked rows below which packing is worth while
MAX_PER_ROW = 32


def packed_batch(
    store: TokenStore, seed: int, step: int, *, batch_size: int, max_length: int, split: str = "train"
) -> dict[str, np.ndarray]:
    """Return the packed pairs of one training step; the same arguments always give the same arrays.

    Returns:
        token_ids, segment_ids, int32, (B, T), and padding_mask, bool, (B, T): as `pair_batch`, pairs side by side.
        positions, int32, (B, T): of each token in its own pair; 0 for padding.
        sequence_ids, int32, (B, T): 1, 2, ... for the pairs of a row; 0 for padding.
        first_positions, int32, (B, S): where each pair has its [CLS]; 0 for filler.
        nsp_labels, int32, (B, S), and nsp_weights, float32, (B, S): 1 for a pair, 0 for filler.
    """
    count, per_row = packing_plan(store, batch_size, max_length)
    pairs = pair_batch(store, seed, step, batch_size=count, max_length=max_length, split=split)
    lengths = pairs["padding_mask"].sum(1)
    rows = fit_into_rows(lengths, batch_size, max_length, per_row)
    shape = (batch_size, max_length)
    packed = {
        "token_ids": np.full(shape, store.tokenizer.pad_id, np.int32),
        **{name: np.zeros(shape, np.int32) for name in ("segment_ids", "positions", "sequence_ids")},
        "first_positions": np.zeros((batch_size, per_row), np.int32),
        "nsp_labels": np.zeros((batch_size, per_row), np.int32),
        "nsp_weights": np.zeros((batch_size, per_row), np.float32),
    }
    for row, members in enumerate(rows):
        begin = 0
        for place, pair in enumerate(members):
            end = begin + lengths[pair]
            for name in ("token_ids", "segment_ids"):
                packed[name][row, begin:end] = pairs[name][pair, : lengths[pair]]
            packed["positions"][row, begin:end] = np.arange(lengths[pair])
            packed["sequence_ids"][row, begin:end] = place + 1
            packed["first_positions"][row, place] = begin
            packed["nsp_labels"][row, place] = pairs["nsp_labels"][pair]
            packed["nsp_weights"][row, place] = 1.0
            begin = end
    return {**packed, "padding_mask": packed["sequence_ids"] > 0}


def fit_into_rows(lengths: np.ndarray, num_rows: int, max_length: int, per_row: int) -> list[list[int]]:
    """Put each length into the first row that has room, longest first; what finds no room is left out."""
    rows: list[list[int]] = [[] for _ in range(num_rows)]
    room = np.full(num_rows, max_length)
    for item in np.argsort(-lengths, kind="stable"):
        fitting = np.flatnonzero(room >= lengths[item])
        if len(fitting):
            row = int(fitting[0])
            rows[row].append(int(item))
            room[row] = room[row] - lengths[item] if len(rows[row]) < per_row else 0
    return rows


def packing_plan(store: TokenStore, batch_size: int, max_length: int) -> tuple[int, int]:
    """Return how many pairs to draw for a batch, and S, how many a row may hold; the same for both splits."""
    mean = fill_share(store, max_length) * max_length
    count = max(batch_size, math.floor(FULLNESS * batch_size * max_length / mean))
    return count, min(MAX_PER_ROW, max(1, math.ceil(2 * count / batch_size)))


@functools.lru_cache(maxsize=16)
def fill_share(store: TokenStore, max_length: int) -> float:
    """Return the share of real tokens in rows of one pair each, by a sample."""
    return float(pair_batch(store, 0, 0, batch_size=SAMPLE, max_length=max_length)["padding_mask"].mean())
