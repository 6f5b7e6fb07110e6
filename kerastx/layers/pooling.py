"""One vector for a sequence."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.projection import Projection


@keras.saving.register_keras_serializable("kerastx")
class FirstTokenPooler(keras.layers.Layer):
    """tanh(hW + b) of the first token, [CLS] (Devlin et al., 2018, appendix A.2).

    Args:
        each: the states are first tokens already, of several sequences in a row.

    Call: float (B, T, D) -> float (B, D); with `each`: float (B, S, D) -> float (B, S, D).
    """

    def __init__(self, *, each: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.each = each

    def build(self, states_shape):
        self.projection = Projection(states_shape[-1], name="projection", dtype=self.dtype_policy)
        self.projection.build((states_shape[0], states_shape[-1]))

    def call(self, states):
        return ops.tanh(self.projection(states if self.each else states[:, 0, :]))

    def compute_output_shape(self, states_shape):
        return states_shape if self.each else (states_shape[0], states_shape[-1])

    def get_config(self):
        return {**super().get_config(), "each": self.each}
