"""Keys and values of the tokens so far, as tensors that go in and come out: generating without computing them again.

A cache has S slots for each row of a batch. The tokens of a step take the next T slots, the same ones in every row;
which token of its row a slot holds says `positions`, and with it who may attend to whom. So one rule serves a prompt at
once (T = its length), one token at a time (T = 1), rows of different length and slots that are empty still.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

NO_TOKEN = -1  # the position of padding and of empty slots


class KeyValueCache(NamedTuple):
    """The cache of a decoder.

    Args:
        positions: int32 (B, S), of the token in each slot, `NO_TOKEN` where there is none.
        keys, values: one float (B, N_kv, S, H) for each block; keys are rotated already.
    """

    positions: Any
    keys: tuple
    values: tuple


def write_slots(cached, new, *, first_slot, axis: int):
    """Return the cache with what is new, in the slots from first_slot on, or in additional ones.

    Args:
        cached: (..., S, ...), S slots along `axis`.
        new: (..., T, ...), of the same dtype.
        first_slot: int32 (), at most S - T, else the last T slots are overwritten; None = behind all others. Slots
            that exist already are what TFLite is fast with (DYNAMIC_UPDATE_SLICE); ONNX lacks that operator and gets
            a Concat.

    Returns:
        (..., S, ...), or (..., S + T, ...) without first_slot.
    """
    if first_slot is None:
        return ops.concatenate([cached, new], axis=axis)
    start = [0] * len(cached.shape)
    start[axis] = first_slot
    return ops.slice_update(cached, start, new)


def token_positions(padding_mask):
    """Return the position of each token in its row, `NO_TOKEN` for padding on either side: bool (B, T) -> int32."""
    is_token = ops.cast(padding_mask, "int32")
    return ops.cumsum(is_token, axis=1) * is_token + NO_TOKEN


def causal_mask(query_positions, key_positions):
    """Return who may attend to whom, each token to itself and those before: int32 (B, T), (B, S) -> bool (B, 1, T, S).

    Nobody attends to `NO_TOKEN`.
    """
    queries, keys = ops.expand_dims(query_positions, 2), ops.expand_dims(key_positions, 1)
    return ops.expand_dims(ops.logical_and(ops.less_equal(keys, queries), ops.greater(keys, NO_TOKEN)), 1)
