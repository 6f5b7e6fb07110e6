"""One vector for a sequence."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.activations import activation as named_activation
from kerastx.layers.projection import Projection


@keras.saving.register_keras_serializable("kerastx")
class FirstTokenPooler(keras.layers.Layer):
    """f(hW + b) of the first token, [CLS] (Devlin et al., 2018, appendix A.2).

    Args:
        activation: name of f.
        each: the states are first tokens already, of several sequences in a row.

    Call: float (B, T, D) -> float (B, D); with `each`: float (B, S, D) -> float (B, S, D).
    """

    def __init__(self, *, activation: str = "tanh", each: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation
        self._activate = named_activation(activation)
        self.each = each

    def build(self, states_shape):
        self.projection = Projection(states_shape[-1], name="projection", dtype=self.dtype_policy)
        self.projection.build((states_shape[0], states_shape[-1]))

    def call(self, states):
        return self._activate(self.projection(states if self.each else states[:, 0, :]))

    def compute_output_shape(self, states_shape):
        return states_shape if self.each else (states_shape[0], states_shape[-1])

    def get_config(self):
        return {**super().get_config(), "activation": self.activation, "each": self.each}


@keras.saving.register_keras_serializable("kerastx")
class MeanPooling(keras.layers.Layer):
    """The mean of the states of real tokens, [CLS] and [SEP] included (Reimers and Gurevych, 2019, section 3).

    Call: states float (B, T, D), padding_mask bool (B, T) -> float32 (B, D); zeros for a row without real tokens.
    """

    def call(self, states, padding_mask):
        weights = ops.expand_dims(ops.cast(padding_mask, "float32"), -1)
        total = ops.sum(ops.cast(states, "float32") * weights, axis=1)
        return total / ops.maximum(ops.sum(weights, axis=1), 1.0)

    def compute_output_shape(self, states_shape, padding_mask_shape=None):
        return (states_shape[0], states_shape[-1])


@keras.saving.register_keras_serializable("kerastx")
class UnitLength(keras.layers.Layer):
    """x / |x|: vectors whose dot product is their cosine. Call: float (B, D) -> float32 (B, D)."""

    def call(self, vectors):
        vectors = ops.cast(vectors, "float32")
        return vectors / ops.maximum(ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True)), 1e-12)

    def compute_output_shape(self, vectors_shape):
        return vectors_shape
