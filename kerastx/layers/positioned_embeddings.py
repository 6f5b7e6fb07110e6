"""From token ids to the first hidden states of models that generate: no segments, positions of several kinds."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.dropout import Dropout
from kerastx.layers.normalization import norm_layer
from kerastx.layers.sinusoidal import sinusoidal_positions

POSITION_VECTORS = ("learned", "sinusoidal")


@keras.saving.register_keras_serializable("kerastx")
class PositionedEmbeddings(keras.layers.Layer):
    """norm(s · token + position), with dropout; norm and position where asked for.

    Args:
        position_vectors: "learned", "sinusoidal" or None, where positions come in elsewhere.
        max_sequence_length: rows of the learned table.
        scale: s; √D in the original Transformer.
        norm_kind: "layer", "rms" or None.

    Call: token_vectors float (B, T, D), positions int32 (B, T), negative for padding -> float (B, T, D).
    """

    def __init__(
        self,
        *,
        position_vectors: str | None,
        max_sequence_length: int,
        scale: float = 1.0,
        norm_kind: str | None = None,
        dropout_rate: float = 0.1,
        epsilon: float = 1e-6,
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if position_vectors not in (None, *POSITION_VECTORS):
            raise ValueError(f"position_vectors must be None or one of {POSITION_VECTORS}, got {position_vectors!r}.")
        if max_sequence_length < 1:
            raise ValueError(f"max_sequence_length must be at least 1, got {max_sequence_length=}.")
        self.position_vectors = position_vectors
        self.max_sequence_length = max_sequence_length
        self.scale = scale
        self.norm_kind = norm_kind
        self.dropout_rate = dropout_rate
        self.epsilon = epsilon
        self.initializer_range = initializer_range
        self.norm = None
        if norm_kind is not None:
            self.norm = norm_layer(norm_kind, epsilon=epsilon, name="norm", dtype=self.dtype_policy)
        self.dropout = Dropout(dropout_rate, name="dropout", dtype=self.dtype_policy)

    def build(self, token_vectors_shape):
        if self.position_vectors == "learned":
            self.positions = self.add_weight(
                name="positions",
                shape=(self.max_sequence_length, token_vectors_shape[-1]),
                initializer=keras.initializers.TruncatedNormal(stddev=self.initializer_range),
                autocast=False,
            )
        if self.norm is not None:
            self.norm.build(token_vectors_shape)
        self.dropout.build(token_vectors_shape)

    def call(self, token_vectors, positions, training=None):
        states = token_vectors if self.scale == 1.0 else token_vectors * self.scale
        if self.position_vectors is not None:
            states = states + self._vectors(ops.maximum(positions, 0), like=states)
        if self.norm is not None:
            states = self.norm(states)
        return self.dropout(states, training=training)

    def _vectors(self, positions, like):
        if self.position_vectors == "learned":
            vectors = self.rows(positions)
        else:
            vectors = sinusoidal_positions(positions, like.shape[-1])
        return ops.cast(vectors, like.dtype)

    def rows(self, positions):
        """Return float32 (B, T, D), the learned vectors of int32 (B, T)."""
        return ops.take(self.positions, positions, axis=0)

    def compute_output_shape(self, token_vectors_shape, positions_shape=None):
        return token_vectors_shape

    def get_config(self):
        return {
            **super().get_config(),
            "position_vectors": self.position_vectors,
            "max_sequence_length": self.max_sequence_length,
            "scale": self.scale,
            "norm_kind": self.norm_kind,
            "dropout_rate": self.dropout_rate,
            "epsilon": self.epsilon,
            "initializer_range": self.initializer_range,
        }
