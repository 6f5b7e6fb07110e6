"""One layer of the Transformer encoder (Vaswani et al., 2017, section 3.1)."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.attention import SelfAttention
from kerastx.layers.dropout import Dropout
from kerastx.layers.feed_forward import FeedForward
from kerastx.layers.gathering import gather_positions
from kerastx.layers.normalization import norm_layer

NORMS = ("post-norm", "pre-norm")


@keras.saving.register_keras_serializable("kerastx")
class EncoderBlock(keras.layers.Layer):
    """Self-attention and feed-forward, each with dropout, a residual and a norm.

    post-norm, as BERT: x ← norm(x + f(x)); pre-norm (Xiong et al., 2020): x ← x + f(norm(x)).

    Args:
        num_heads, num_kv_heads, head_dim, qkv_bias, scale_scores: see `SelfAttention`.
        intermediate_dim, activation, gated: see `FeedForward`.
        dropout_rate: of attention weights and of both residual branches.
        norm: "post-norm" or "pre-norm".
        norm_kind: "layer" or "rms", see `norm_layer`.
        epsilon: of the norms.
        use_bias: of all linear maps.
        initializer_range: standard deviation of the initial kernels.
        first_token_only: answer for the first token alone, (B, 1, D): all that a model needs of its last block if it
            reads nothing but that.

    Call: states float (B, T, D), attention_mask bool and position_bias float broadcastable to (B, N, T, T) -> float
    (B, T, D). With query_positions int32 (B, Q) it answers for these alone, (B, Q, D); they still attend to all, and
    the mask is (B, 1, 1, T) or (B, 1, T, T). With first_token_only it does so for one call what the argument of that
    name does for all: for a block that is used more than once.
    """

    def __init__(
        self,
        num_heads: int,
        intermediate_dim: int,
        *,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        activation: str = "gelu",
        gated: bool = False,
        dropout_rate: float = 0.1,
        norm: str = "post-norm",
        norm_kind: str = "layer",
        epsilon: float = 1e-12,
        use_bias: bool = True,
        qkv_bias: bool | None = None,
        scale_scores: bool = True,
        initializer_range: float = 0.02,
        first_token_only: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {NORMS}, got {norm!r}.")
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.num_kv_heads = num_kv_heads
        self.head_dim = head_dim
        self.activation = activation
        self.gated = gated
        self.dropout_rate = dropout_rate
        self.norm = norm
        self.norm_kind = norm_kind
        self.epsilon = epsilon
        self.use_bias = use_bias
        self.qkv_bias = qkv_bias
        self.scale_scores = scale_scores
        self.initializer_range = initializer_range
        self.first_token_only = first_token_only
        policy = self.dtype_policy
        self.attention = SelfAttention(num_heads, qkv_bias=qkv_bias, name="attention", **self._of_attention())
        self.attention_norm = norm_layer(norm_kind, epsilon=epsilon, name="attention_norm", dtype=policy)
        self.feed_forward = FeedForward(
            intermediate_dim,
            activation=activation,
            gated=gated,
            use_bias=use_bias,
            initializer_range=initializer_range,
            name="feed_forward",
            dtype=policy,
        )
        self.feed_forward_norm = norm_layer(norm_kind, epsilon=epsilon, name="feed_forward_norm", dtype=policy)
        self.attention_dropout = Dropout(dropout_rate, name="attention_dropout", dtype=policy)
        self.feed_forward_dropout = Dropout(dropout_rate, name="feed_forward_dropout", dtype=policy)

    def _of_attention(self) -> dict:
        return {
            "num_kv_heads": self.num_kv_heads,
            "head_dim": self.head_dim,
            "use_bias": self.use_bias,
            "scale_scores": self.scale_scores,
            "dropout_rate": self.dropout_rate,
            "initializer_range": self.initializer_range,
            "dtype": self.dtype_policy,
        }

    def build(self, states_shape):
        for layer in (
            self.attention,
            self.attention_norm,
            self.feed_forward,
            self.feed_forward_norm,
            self.attention_dropout,
            self.feed_forward_dropout,
        ):
            layer.build(states_shape)

    def call(
        self,
        states,
        attention_mask=None,
        query_positions=None,
        position_bias=None,
        training=None,
        first_token_only=False,
    ):
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
                position_bias=position_bias,
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
        self,
        states,
        attention_mask=None,
        query_positions=None,
        position_bias=None,
        training=None,
        first_token_only=False,
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
            "num_kv_heads": self.num_kv_heads,
            "head_dim": self.head_dim,
            "activation": self.activation,
            "gated": self.gated,
            "dropout_rate": self.dropout_rate,
            "norm": self.norm,
            "norm_kind": self.norm_kind,
            "epsilon": self.epsilon,
            "use_bias": self.use_bias,
            "qkv_bias": self.qkv_bias,
            "scale_scores": self.scale_scores,
            "initializer_range": self.initializer_range,
            "first_token_only": self.first_token_only,
        }
