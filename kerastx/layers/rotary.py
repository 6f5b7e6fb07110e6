"""Positions as rotations of queries and keys (Su et al., 2021, section 3.2)."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerastx")
class RotaryPositions(keras.layers.Layer):
    """Cosines and sines of the angles p θ^(-2i/H), for position p and i of 0 ... H/2 - 1; see `rotate`.

    They are the same for all blocks of a model, which computes them once. float32 also under mixed precision.

    Args:
        head_dim: H, even.
        theta: θ; the larger, the slower the slowest wave.

    Call: positions int32 (B, T) -> float32 (B, 1, T, H), the cosines and behind them the sines.
    """

    def __init__(self, head_dim: int, *, theta: float = 10000.0, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if head_dim < 2 or head_dim % 2:
            raise ValueError(f"rotary positions need an even head_dim, got {head_dim}.")
        if theta <= 0:
            raise ValueError(f"theta must be positive, got {theta=}.")
        self.head_dim = head_dim
        self.theta = theta

    def build(self, positions_shape=None):
        pass

    def call(self, positions):
        frequencies = [self.theta ** (-2.0 * i / self.head_dim) for i in range(self.head_dim // 2)]
        angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * ops.convert_to_tensor(frequencies, "float32")
        return ops.expand_dims(ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1), 1)

    def compute_output_shape(self, positions_shape):
        return (positions_shape[0], 1, positions_shape[1], self.head_dim)

    def get_config(self):
        return {**super().get_config(), "head_dim": self.head_dim, "theta": self.theta}


def rotate(x, rotation):
    """Turn each pair (xᵢ, xᵢ₊H/2) by its angle: the first half of a head with the second one, as Llama does.

    Args:
        x: float (B, N, T, H), queries or keys.
        rotation: float32 (B, 1, T, H) of `RotaryPositions`.

    Returns:
        Float (B, N, T, H). The product of a query and a key depends on the distance of their positions alone.
    """
    cosine, sine = ops.split(ops.cast(rotation, x.dtype), 2, axis=-1)
    first, second = ops.split(x, 2, axis=-1)
    return ops.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
