"""From hidden states to the logits of the next token."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.embeddings import TokenEmbedding
from kerastx.layers.projection import add_bias


@keras.saving.register_keras_serializable("kerastx")
class VocabularyLogits(keras.layers.Layer):
    """xEᵀ + c, with E the input embedding where it is tied (Press and Wolf, 2017), else a table of its own.

    Args:
        token_embedding: the `TokenEmbedding` whose table is E; one that no other layer uses is not tied.
        use_bias: whether there is a c.

    Call: float (B, T, D) -> float (B, T, V).
    """

    def __init__(self, token_embedding: TokenEmbedding, *, use_bias: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.token_embedding = token_embedding
        self.use_bias = use_bias

    def build(self, states_shape):
        if not self.token_embedding.built:
            self.token_embedding.build()
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.token_embedding.vocabulary_size,), initializer="zeros")

    def call(self, states, training=None):
        flat = ops.reshape(states, (-1, states.shape[-1]))
        logits = add_bias(self.token_embedding.project(flat), self.bias, training=training)
        return ops.reshape(logits, (*ops.shape(states)[:2], self.token_embedding.vocabulary_size))

    def compute_output_shape(self, states_shape):
        return (*states_shape[:-1], self.token_embedding.vocabulary_size)

    def get_config(self):
        return {
            **super().get_config(),
            "token_embedding": keras.saving.serialize_keras_object(self.token_embedding),
            "use_bias": self.use_bias,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["token_embedding"] = keras.saving.deserialize_keras_object(config["token_embedding"])
        return cls(**config)
