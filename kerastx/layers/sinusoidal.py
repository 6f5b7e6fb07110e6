"""Positions as sines and cosines of falling frequency (Vaswani et al., 2017, section 3.5)."""

from __future__ import annotations

import math

from keras import ops

LONGEST_WAVE = 10000.0


def sinusoidal_positions(positions, hidden_dim: int):
    """Return the vectors of positions: int32 (B, T) -> float32 (B, T, D).

    The sines come first and the cosines behind them, as in the authors' program and in Marian; the paper's text has
    them in turns, which for a model that learns is the same.
    """
    sines = (hidden_dim + 1) // 2
    frequencies = [math.exp(-math.log(LONGEST_WAVE) * 2 * i / hidden_dim) for i in range(sines)]
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * ops.convert_to_tensor(frequencies, "float32")
    return ops.concatenate([ops.sin(angles), ops.cos(angles[..., : hidden_dim - sines])], axis=-1)
