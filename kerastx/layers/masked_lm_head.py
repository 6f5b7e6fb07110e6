"""The masked language model's head (Devlin et al., 2018, section 3.1, task 1)."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.activations import activation as named_activation
from kerastx.layers.embeddings import TokenEmbedding
from kerastx.layers.gathering import gather_positions
from kerastx.layers.normalization import LayerNormalization
from kerastx.layers.projection import Projection, add_bias


@keras.saving.register_keras_serializable("kerastx")
class MaskedLMHead(keras.layers.Layer):
    """Logits of the vocabulary at the masked positions: norm(f(hW + b))Eᵀ + c, E the input embedding.

    Only the masked positions meet the large matrix, 20 of 128: they are gathered before, here or by the encoder.

    Args:
        token_embedding: the `TokenEmbedding` whose table is tied to the output.
        activation: name of f.

    Call: states float (B, T, D), masked_positions int32 (B, P) -> float (B, P, V). Without masked_positions the states
    are those of the masked positions already, (B, P, D).
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

    def call(self, states, masked_positions=None, training=None):
        masked = states if masked_positions is None else gather_positions(states, masked_positions)
        batch, count = ops.shape(masked)[:2]
        hidden = self.norm(self._activate(self.transform(ops.reshape(masked, (-1, masked.shape[-1])))))
        logits = add_bias(self.token_embedding.project(hidden), self.bias, training=training)
        return ops.reshape(logits, (batch, count, self.token_embedding.vocabulary_size))

    def compute_output_shape(self, states_shape, masked_positions_shape=None):
        return (*(masked_positions_shape or states_shape[:2]), self.token_embedding.vocabulary_size)

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
