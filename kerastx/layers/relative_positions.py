"""Distances as learned biases of the attention scores (Raffel et al., 2020, section 2.1: T5)."""

from __future__ import annotations

from bisect import bisect_left

import keras
from keras import ops


def distance_buckets(num_buckets: int, max_distance: int) -> list[int]:
    """Return the bucket of the distances 0 ... max_distance: one for each, then ever wider ones.

    The bucket of d ≥ E, E half of the buckets, is E + ⌊log(d/E) / log(M/E) · E⌋, here in whole numbers: a logarithm of
    float32 may fall on either side of a border, and not on the same one in every engine.
    """
    exact = num_buckets // 2
    wide = num_buckets - exact
    distances = range(max_distance + 1)
    # The first distance of each wide bucket, and the end: d^wide · E^k ≥ E^wide · M^k.
    borders = [
        bisect_left(distances, exact ** (wide - k) * max_distance**k, key=lambda distance: distance**wide)
        for k in range(wide)
    ]
    borders.append(max_distance + 1)
    wide_buckets = [exact + k for k in range(wide) for _ in range(borders[k], borders[k + 1])]
    return [*range(exact), *wide_buckets]


@keras.saving.register_keras_serializable("kerastx")
class RelativePositionBias(keras.layers.Layer):
    """One number for each head and bucket of distances, added to the scores of all blocks.

    Args:
        num_heads: N.
        num_buckets: of both directions together where there are two.
        max_distance: from which on all distances are one bucket.
        bidirectional: keys on either side differ, half of the buckets each; else those behind the query are at 0.
        initializer_range: standard deviation of the initial biases.

    Call: query_positions int32 (B, T), key_positions int32 (B, S) -> float (B, N, T, S).
    """

    def __init__(
        self,
        num_heads: int,
        *,
        num_buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = False,
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        smallest = 4 if bidirectional else 2
        if num_buckets < smallest or num_buckets % smallest:
            raise ValueError(f"num_buckets must be a positive multiple of {smallest}, got {num_buckets=}.")
        one_side = num_buckets // 2 if bidirectional else num_buckets
        if max_distance <= one_side // 2:
            raise ValueError(f"max_distance must be larger than {one_side // 2}, got {max_distance=}.")
        self.num_heads = num_heads
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.bidirectional = bidirectional
        self.initializer_range = initializer_range
        behind = distance_buckets(one_side, max_distance)
        ahead = [one_side + bucket for bucket in behind] if bidirectional else [0] * len(behind)
        # Of the differences -max_distance ... max_distance, key minus query.
        self._buckets = [*reversed(behind), *ahead[1:]]

    def build(self, query_positions_shape=None, key_positions_shape=None):
        self.table = self.add_weight(
            name="table",
            shape=(self.num_buckets, self.num_heads),
            initializer=keras.initializers.TruncatedNormal(stddev=self.initializer_range),
        )

    def call(self, query_positions, key_positions):
        difference = ops.expand_dims(key_positions, 1) - ops.expand_dims(query_positions, 2)
        index = ops.clip(difference, -self.max_distance, self.max_distance) + self.max_distance
        buckets = ops.take(ops.convert_to_tensor(self._buckets, "int32"), index, axis=0)
        return ops.transpose(ops.take(self.table, buckets, axis=0), (0, 3, 1, 2))

    def compute_output_shape(self, query_positions_shape, key_positions_shape):
        return (query_positions_shape[0], self.num_heads, query_positions_shape[1], key_positions_shape[1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_buckets": self.num_buckets,
            "max_distance": self.max_distance,
            "bidirectional": self.bidirectional,
            "initializer_range": self.initializer_range,
        }
