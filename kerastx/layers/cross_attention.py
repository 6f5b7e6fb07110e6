"""Attention from the target to the source (Vaswani et al., 2017, section 3.2.3)."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.attention import dot_product_attention, merge_heads, split_heads, unfold_rows
from kerastx.layers.dropout import Dropout
from kerastx.layers.projection import Projection


@keras.saving.register_keras_serializable("kerastx")
class CrossAttention(keras.layers.Layer):
    """Multi-head attention whose keys and values come from the states of the source, by one fused projection.

    Args:
        num_heads, num_kv_heads, head_dim, use_bias, scale_scores, dropout_rate, initializer_range: see
            `SelfAttention`.

    Call: states float (B, T, D), source float (B, S, D), attention_mask bool broadcastable to (B, N, T, S) -> float
    (B, T, D). Instead of its states the source may be what `source_keys_values` made of them: generating needs that
    once for all steps.
    """

    def __init__(
        self,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        use_bias: bool = True,
        scale_scores: bool = True,
        dropout_rate: float = 0.0,
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(f"num_heads must be at least 1, got {num_heads=}.")
        if num_kv_heads is not None and (num_kv_heads < 1 or num_heads % num_kv_heads):
            raise ValueError(f"num_kv_heads must divide num_heads, got {num_kv_heads=} and {num_heads=}.")
        self.num_heads = num_heads
        self.num_kv_heads = num_kv_heads
        self.head_dim = head_dim
        self.use_bias = use_bias
        self.scale_scores = scale_scores
        self.dropout_rate = dropout_rate
        self.initializer_range = initializer_range
        self.dropout = Dropout(dropout_rate, name="dropout", dtype=self.dtype_policy)

    def build(self, states_shape):
        hidden_dim = states_shape[-1]
        if self.head_dim is None and hidden_dim % self.num_heads:
            raise ValueError(
                f"the hidden size must be a multiple of num_heads, got {hidden_dim} and num_heads={self.num_heads}."
            )
        self.head_size = self.head_dim or hidden_dim // self.num_heads
        width = self.num_heads * self.head_size
        alike = {
            "use_bias": self.use_bias,
            "initializer_range": self.initializer_range,
            "dtype": self.dtype_policy,
        }
        self.query = Projection(width, name="query", **alike)
        self.query.build(states_shape)
        self.key_value = Projection(
            2 * (self.num_kv_heads or self.num_heads) * self.head_size, name="key_value", **alike
        )
        self.key_value.build((None, None, hidden_dim))
        self.output_projection = Projection(hidden_dim, name="output_projection", **alike)
        self.output_projection.build((None, None, width))
        self.dropout.build((None, self.num_heads, None, None))

    def source_keys_values(self, source_states, training=None):
        """Return keys and values, float (B, N_kv, S, H) each, of float (B, S, D)."""
        flat = self.key_value(ops.reshape(source_states, (-1, source_states.shape[-1])), training=training)
        return tuple(ops.split(split_heads(flat, ops.shape(source_states), self.head_size), 2, axis=1))

    def call(self, states, source, attention_mask=None, training=None):
        key, value = source if isinstance(source, (tuple, list)) else self.source_keys_values(source, training)
        flat = self.query(ops.reshape(states, (-1, states.shape[-1])), training=training)
        context = dot_product_attention(
            split_heads(flat, ops.shape(states), self.head_size),
            key,
            value,
            scale=None if self.scale_scores else 1.0,
            attention_mask=attention_mask,
            dropout=lambda weights: self.dropout(weights, training=training),
        )
        return unfold_rows(self.output_projection(merge_heads(context), training=training), like=states)

    def compute_output_shape(self, states_shape, source_shape=None):
        return states_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_kv_heads": self.num_kv_heads,
            "head_dim": self.head_dim,
            "use_bias": self.use_bias,
            "scale_scores": self.scale_scores,
            "dropout_rate": self.dropout_rate,
            "initializer_range": self.initializer_range,
        }
