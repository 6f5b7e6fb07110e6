"""One layer of the Transformer encoder (Vaswani et al., 2017, section 3.1)."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.attention import SelfAttention
from kerastx.layers.dropout import Dropout
from kerastx.layers.feed_forward import FeedForward
from kerastx.layers.gathering import gather_positions
from kerastx.layers.normalization import LayerNormalization

NORMS = ("post-norm", "pre-norm")


@keras.saving.register_keras_serializable("kerastx")
class EncoderBlock(keras.layers.Layer):
    """Self-attention and feed-forward, each with dropout, a residual and a layer norm.

    post-norm, as BERT: x ← norm(x + f(x)); pre-norm (Xiong et al., 2020): x ← x + f(norm(x)).

    Args:
        num_heads, intermediate_dim, activation: see `SelfAttention` and `FeedForward`.
        dropout_rate: of attention weights and of both residual branches.
        norm: "post-norm" or "pre-norm".
        epsilon: of the layer norms.
        first_token_only: answer for the first token alone, (B, 1, D): all that a model needs of its last block if it
            reads nothing but that.

    Call: states float (B, T, D), attention_mask bool broadcastable to (B, N, T, T) -> float (B, T, D). With
    query_positions int32 (B, Q) it answers for these alone, (B, Q, D); they still attend to all, and the mask is
    (B, 1, 1, T) or (B, 1, T, T). With first_token_only it does so for one call what the argument of that name does for
    all: for a block that is used more than once.
    """

    def __init__(
        self,
        num_heads: int,
        intermediate_dim: int,
        *,
        activation: str = "gelu",
        dropout_rate: float = 0.1,
        norm: str = "post-norm",
        epsilon: float = 1e-12,
        first_token_only: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {NORMS}, got {norm!r}.")
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.dropout_rate = dropout_rate
        self.norm = norm
        self.epsilon = epsilon
        self.first_token_only = first_token_only
        policy = self.dtype_policy
        self.attention = SelfAttention(num_heads, dropout_rate=dropout_rate, name="attention", dtype=policy)
        self.attention_norm = LayerNormalization(epsilon=epsilon, name="attention_norm", dtype=policy)
        self.feed_forward = FeedForward(intermediate_dim, activation=activation, name="feed_forward", dtype=policy)
        self.feed_forward_norm = LayerNormalization(epsilon=epsilon, name="feed_forward_norm", dtype=policy)
        self.attention_dropout = Dropout(dropout_rate, name="attention_dropout", dtype=policy)
        self.feed_forward_dropout = Dropout(dropout_rate, name="feed_forward_dropout", dtype=policy)

    def build(self, states_shape, attention_mask_shape=None, query_positions_shape=None):
        for layer in (
            self.attention,
            self.attention_norm,
            self.feed_forward,
            self.feed_forward_norm,
            self.attention_dropout,
            self.feed_forward_dropout,
        ):
            layer.build(states_shape)

    def call(self, states, attention_mask=None, query_positions=None, training=None, first_token_only=False):
        answers_all = query_positions is None and not self.first_token_only and not first_token_only

        def choose(x):  # (B, T, ...) -> (B, Q, ...)
            return x[:, :1] if query_positions is None else gather_positions(x, query_positions)

        if not answers_all and attention_mask is not None and attention_mask.shape[2] != 1:
            attention_mask = ops.expand_dims(choose(ops.squeeze(attention_mask, 1)), 1)

        def attend(x, query_states):
            x = self.attention(
                x,
                attention_mask=attention_mask,
                query_states=query_states,
                training=training,
                keep_kernel_whole=first_token_only,
            )
            return self.attention_dropout(x, training=training)

        def transform(x):
            return self.feed_forward_dropout(self.feed_forward(x), training=training)

        chosen = None if answers_all else choose(states)
        residual = states if answers_all else chosen
        if self.norm == "post-norm":
            states = self.attention_norm(residual + attend(states, chosen))
            return self.feed_forward_norm(states + transform(states))
        normed = self.attention_norm(states)
        states = residual + attend(normed, None if answers_all else choose(normed))
        return states + transform(self.feed_forward_norm(states))

    def compute_output_spec(
        self, states, attention_mask=None, query_positions=None, training=None, first_token_only=False
    ):
        shape = self.compute_output_shape(
            states.shape, query_positions_shape=None if query_positions is None else query_positions.shape
        )
        if first_token_only and query_positions is None:
            shape = (shape[0], 1, shape[2])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_output_shape(self, states_shape, attention_mask_shape=None, query_positions_shape=None):
        if query_positions_shape is not None:
            return (*query_positions_shape, states_shape[-1])
        return (states_shape[0], 1 if self.first_token_only else states_shape[1], states_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "norm": self.norm,
            "epsilon": self.epsilon,
            "first_token_only": self.first_token_only,
        }
