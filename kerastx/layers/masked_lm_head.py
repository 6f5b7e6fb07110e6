"""The masked language model's head (Devlin et al., 2018, section 3.1, task 1)."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.activations import activation as named_activation
from kerastx.layers.embeddings import TokenEmbedding
from kerastx.layers.normalization import LayerNormalization
from kerastx.layers.projection import Projection


def gather_positions(states, positions):
    """Pick rows of `states`: float (B, T, D), int32 (B, P) -> float (B, P, D)."""
    batch, length = ops.shape(states)[:2]
    offsets = ops.expand_dims(ops.arange(batch, dtype="int32") * length, -1)
    return ops.take(ops.reshape(states, (-1, states.shape[-1])), ops.cast(positions, "int32") + offsets, axis=0)


@keras.saving.register_keras_serializable("kerastx")
class MaskedLMHead(keras.layers.Layer):
    """Logits of the vocabulary at the masked positions: norm(f(hW + b))Eᵀ + c, E the input embedding.

    The positions are gathered BEFORE the vocabulary projection: 20 of 128 rows meet the large matrix.

    Args:
        token_embedding: the `TokenEmbedding` whose table is tied to the output.
        activation: name of f.

    Call: states float (B, T, D), masked_positions int32 (B, P) -> float (B, P, V).
    """

    def __init__(self, token_embedding: TokenEmbedding, *, activation: str = "gelu", epsilon: float = 1e-12, **kwargs):
        super().__init__(**kwargs)
        self.token_embedding = token_embedding
        self.activation = activation
        self.epsilon = epsilon
        self._activate = named_activation(activation)
        self.transform = Projection(token_embedding.hidden_dim, name="transform", dtype=self.dtype_policy)
        self.norm = LayerNormalization(epsilon=epsilon, name="norm", dtype=self.dtype_policy)

    def build(self, states_shape, masked_positions_shape=None):
        self.transform.build((None, None, states_shape[-1]))
        self.norm.build((None, None, self.token_embedding.hidden_dim))
        self.bias = self.add_weight(name="bias", shape=(self.token_embedding.vocabulary_size,), initializer="zeros")

    def call(self, states, masked_positions):
        states = self._activate(self.transform(gather_positions(states, masked_positions)))
        return self.token_embedding.project(self.norm(states)) + self.bias

    def compute_output_shape(self, states_shape, masked_positions_shape):
        return (*masked_positions_shape, self.token_embedding.vocabulary_size)

    def get_config(self):
        return {
            **super().get_config(),
            "token_embedding": keras.saving.serialize_keras_object(self.token_embedding),
            "activation": self.activation,
            "epsilon": self.epsilon,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["token_embedding"] = keras.saving.deserialize_keras_object(config["token_embedding"])
        return cls(**config)
