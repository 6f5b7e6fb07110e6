"""The position-wise feed-forward network (Vaswani et al., 2017, equation 2)."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.activations import activation as named_activation
from kerastx.layers.projection import Projection


@keras.saving.register_keras_serializable("kerastx")
class FeedForward(keras.layers.Layer):
    """f(xW₁ + b₁)W₂ + b₂ at every position.

    Args:
        intermediate_dim: F, the width between the two maps.
        activation: name of f; see `kerastx.layers.activations`.

    Call: float (B, T, D) -> float (B, T, D).
    """

    def __init__(self, intermediate_dim: int, *, activation: str = "gelu", **kwargs):
        super().__init__(**kwargs)
        if intermediate_dim < 1:
            raise ValueError(f"intermediate_dim must be at least 1, got {intermediate_dim=}.")
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self._activate = named_activation(activation)

    def build(self, states_shape):
        self.expansion = Projection(self.intermediate_dim, name="expansion", dtype=self.dtype_policy)
        self.expansion.build(states_shape)
        self.contraction = Projection(states_shape[-1], name="contraction", dtype=self.dtype_policy)
        self.contraction.build((*states_shape[:-1], self.intermediate_dim))

    def call(self, states):
        # Folded once for both maps: unfolding the widest tensor in between would copy it twice.
        flat = ops.reshape(states, (-1, states.shape[-1]))
        return ops.reshape(self.contraction(self._activate(self.expansion(flat))), ops.shape(states))

    def compute_output_shape(self, states_shape):
        return states_shape

    def get_config(self):
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "activation": self.activation,
        }
