"""Rows of a batch of sequences, picked by position."""

from __future__ import annotations

from keras import ops


def gather_positions(states, positions):
    """Pick rows of `states`: float (B, T, D), int32 (B, P) -> float (B, P, D)."""
    batch, length = ops.shape(states)[:2]
    offsets = ops.expand_dims(ops.arange(batch, dtype="int32") * length, -1)
    return ops.take(ops.reshape(states, (-1, states.shape[-1])), ops.cast(positions, "int32") + offsets, axis=0)


def pick(values, index):
    """Return values[b, index[b, i]]: int32 (B, P), int32 (B, I) -> int32 (B, I)."""
    flat = ops.reshape(values, (-1,))
    if values.shape[0] == 1:
        return ops.take(flat, index, axis=0)
    row = ops.cumsum(ops.ones_like(values[:, :1]), axis=0) - 1
    return ops.take(flat, index + row * ops.shape(values)[1], axis=0)
