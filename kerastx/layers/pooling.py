"""One vector for a sequence."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.masked_lm_head import gather_positions
from kerastx.layers.projection import Projection


@keras.saving.register_keras_serializable("kerastx")
class FirstTokenPooler(keras.layers.Layer):
    """tanh(hW + b) of the first token, [CLS] (Devlin et al., 2018, appendix A.2).

    Call: float (B, T, D) -> float (B, D). With first_positions int32 (B, S), where the first tokens of several
    sequences in a row stand: -> float (B, S, D).
    """

    def build(self, states_shape, first_positions_shape=None):
        self.projection = Projection(states_shape[-1], name="projection", dtype=self.dtype_policy)
        self.projection.build((states_shape[0], states_shape[-1]))

    def call(self, states, first_positions=None):
        first = states[:, 0, :] if first_positions is None else gather_positions(states, first_positions)
        return ops.tanh(self.projection(first))

    def compute_output_shape(self, states_shape, first_positions_shape=None):
        return (*(first_positions_shape or states_shape[:1]), states_shape[-1])
