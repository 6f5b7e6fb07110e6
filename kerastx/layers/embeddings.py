"""From token ids to the first hidden states (Devlin et al., 2018, figure 2)."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
from keras import ops

from kerastx.layers.dropout import Dropout
from kerastx.layers.normalization import LayerNormalization


def _normal(stddev: float):
    return keras.initializers.TruncatedNormal(stddev=stddev)


@keras.saving.register_keras_serializable("kerastx")
class TokenEmbedding(keras.layers.Layer):
    """One table for both ends of a model: ids to vectors and, transposed, vectors to logits.

    Args:
        vocabulary_size: V.
        hidden_dim: D.

    Call: int32 (...) -> float (..., D). `project`: float (..., D) -> float (..., V), xEᵀ.
    """

    _turned: Any = None

    def __init__(self, vocabulary_size: int, hidden_dim: int, *, initializer_range: float = 0.02, **kwargs):
        super().__init__(**kwargs)
        if vocabulary_size < 1 or hidden_dim < 1:
            raise ValueError(
                f"vocabulary_size and hidden_dim must be at least 1, got {vocabulary_size=}, {hidden_dim=}."
            )
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.initializer_range = initializer_range

    def build(self, input_shape=None):
        self.table = self.add_weight(
            name="table",
            shape=(self.vocabulary_size, self.hidden_dim),
            initializer=_normal(self.initializer_range),
            autocast=False,  # a few rows of it are cast when they are picked, not all of it
        )

    def call(self, token_ids):
        return ops.cast(self.rows(token_ids), self.compute_dtype)

    def rows(self, token_ids):
        return ops.take(self.table, token_ids, axis=0)

    def project(self, states):
        if self._turned is not None:
            return ops.matmul(states, ops.cast(self._turned, states.dtype))
        return ops.matmul(states, ops.transpose(ops.cast(self.table, states.dtype)))

    @contextlib.contextmanager
    def turned(self):
        """Let `project` use a transposed table that is made once, for a loop inside of the block.

        A step of one token reads all of the table, and in rows of V that takes two thirds of the time.
        """
        self.__dict__["_turned"] = ops.transpose(self.table)
        try:
            yield
        finally:
            del self.__dict__["_turned"]

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.hidden_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "initializer_range": self.initializer_range,
        }


@keras.saving.register_keras_serializable("kerastx")
class InputEmbeddings(keras.layers.Layer):
    """norm(token + position + segment), with dropout.

    Args:
        max_sequence_length: rows of the learned position table; longer inputs are an error of the gather.
        num_segments: rows of the segment table.

    Call: token_vectors float (B, T, D), segment_ids int32 (B, T), positions int32 (B, T), 0 ... T - 1 when None ->
    float (B, T, D).
    """

    def __init__(
        self,
        max_sequence_length: int,
        *,
        num_segments: int = 2,
        dropout_rate: float = 0.1,
        epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if max_sequence_length < 1:
            raise ValueError(f"max_sequence_length must be at least 1, got {max_sequence_length=}.")
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.dropout_rate = dropout_rate
        self.epsilon = epsilon
        self.initializer_range = initializer_range
        self.norm = LayerNormalization(epsilon=epsilon, name="norm", dtype=self.dtype_policy)
        self.dropout = Dropout(dropout_rate, name="dropout", dtype=self.dtype_policy)

    def build(self, token_vectors_shape, segment_ids_shape=None, positions_shape=None):
        hidden_dim = token_vectors_shape[-1]
        self.positions = self.add_weight(
            name="positions",
            shape=(self.max_sequence_length, hidden_dim),
            initializer=_normal(self.initializer_range),
        )
        self.segments = self.add_weight(
            name="segments",
            shape=(self.num_segments, hidden_dim),
            initializer=_normal(self.initializer_range),
        )
        self.norm.build(token_vectors_shape)
        self.dropout.build(token_vectors_shape)

    def call(self, token_vectors, segment_ids, positions=None, training=None):
        # Gathered, not sliced: a gather keeps the table int8 in a quantized file.
        if positions is None:
            positions = ops.expand_dims(self.rows(ops.arange(ops.shape(token_vectors)[1])), 0)
        else:
            positions = self.rows(positions)
        states = token_vectors + positions + ops.take(self.segments, segment_ids, axis=0)
        return self.dropout(self.norm(states), training=training)

    def rows(self, positions):
        return ops.take(self.positions, positions, axis=0)

    def compute_output_shape(self, token_vectors_shape, segment_ids_shape=None, positions_shape=None):
        return token_vectors_shape

    def get_config(self):
        return {
            **super().get_config(),
            "max_sequence_length": self.max_sequence_length,
            "num_segments": self.num_segments,
            "dropout_rate": self.dropout_rate,
            "epsilon": self.epsilon,
            "initializer_range": self.initializer_range,
        }
