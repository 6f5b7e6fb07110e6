"""Scaled dot-product attention and its multi-head form (Vaswani et al., 2017, equation 1 and section 3.2.2)."""

from __future__ import annotations

import math

import keras
from keras import ops

from kerastx.layers.dropout import Dropout
from kerastx.layers.projection import Projection, add_bias

# Large enough that exp() of it is exactly 0 beside any real score, small enough to survive int8 and half precision.
MASKED_SCORE = -1e4


def dot_product_attention(query, key, value, *, scale=None, attention_mask=None, dropout=None):
    """Return softmax(scale · QKᵀ + M)V.

    Args:
        query: float (B, N, T, H).
        key, value: float (B, N, S, H).
        scale: of the scores; None = 1/√H.
        attention_mask: bool, broadcastable to (B, N, T, S), True = may attend; None = everything may.
        dropout: callable applied to the attention weights, or None.

    Returns:
        Float (B, N, T, H).
    """
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    query = query if scale == 1.0 else query * scale
    scores = ops.cast(ops.matmul(query, ops.swapaxes(key, -1, -2)), "float32")
    if attention_mask is not None:
        # Added, not selected: a float add stays inside the mobile CPU delegate, a boolean select does not.
        scores = scores + (1.0 - ops.cast(attention_mask, "float32")) * MASKED_SCORE
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)
    return ops.matmul(weights if dropout is None else dropout(weights), value)


@keras.saving.register_keras_serializable("kerastx")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention with one fused projection for query, key and value.

    Args:
        num_heads: N; must divide the hidden size D.
        dropout_rate: of the attention weights, while training.

    Call: states float (B, T, D), attention_mask bool broadcastable to (B, N, T, T) -> float (B, T, D). With
    query_states float (B, Q, D), some of the states, it answers for these alone, (B, Q, D), and projects no other
    query; the mask is then broadcastable to (B, N, Q, T). With keep_kernel_whole it projects more than it
    needs, but uses no parts of the kernel: where other calls use all of it, a file holds it once.
    """

    def __init__(self, num_heads: int, *, dropout_rate: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(f"num_heads must be at least 1, got {num_heads=}.")
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.dropout = Dropout(dropout_rate, name="dropout", dtype=self.dtype_policy)

    def build(self, states_shape, attention_mask_shape=None, query_states_shape=None):
        hidden_dim = states_shape[-1]
        if hidden_dim % self.num_heads:
            raise ValueError(
                f"the hidden size must be a multiple of num_heads, got {hidden_dim} and num_heads={self.num_heads}."
            )
        self.hidden_dim = hidden_dim
        self.qkv = Projection(3 * hidden_dim, name="qkv", dtype=self.dtype_policy)
        self.qkv.build(states_shape)
        self.output_projection = Projection(hidden_dim, name="output_projection", dtype=self.dtype_policy)
        self.output_projection.build(states_shape)
        self.dropout.build((None, self.num_heads, None, None))

    def call(self, states, attention_mask=None, query_states=None, training=None, keep_kernel_whole=False):
        if query_states is None:
            query_states = states
            query, key, value = self._project(states, training)
        elif keep_kernel_whole:
            query, _, _ = self._project(query_states, training)
            _, key, value = self._project(states, training)
        else:
            query, key, value = self._project_apart(query_states, states, training)
        context = dot_product_attention(
            query,
            key,
            value,
            scale=None if training else 1.0,
            attention_mask=attention_mask,
            dropout=lambda weights: self.dropout(weights, training=training),
        )
        context = ops.reshape(ops.transpose(context, (0, 2, 1, 3)), (-1, self.hidden_dim))
        length = query_states.shape[1]
        shape = ops.shape(query_states) if length is None else (-1, length, self.hidden_dim)
        return ops.reshape(self.output_projection(context), shape)

    def _project(self, states, training):
        # Folded to (B·T, 3D), then one reshape and one transpose for all three: (B, 3N, T, H).
        fused = self._linear(states, slice(0, 3 * self.hidden_dim), training)
        return ops.split(self._split_heads(fused, ops.shape(states)), 3, axis=1)

    def _project_apart(self, query_states, states, training):
        """Return the query of some states, and keys and values of all: by slices of the one kernel."""
        D = self.hidden_dim
        query = self._split_heads(self._linear(query_states, slice(0, D), training), ops.shape(query_states))
        both = self._split_heads(self._linear(states, slice(D, 3 * D), training), ops.shape(states))
        return query, *ops.split(both, 2, axis=1)

    def _linear(self, x, columns, training):
        """Return some columns of the projection of x: float (B, T, D) -> float (B·T, kD).

        Outside of training queries come scaled by 1/√H: in a file the scale is part of the weights, and costs nothing.
        """
        flat, bias = ops.reshape(x, (-1, self.hidden_dim)), self.qkv.bias
        whole = columns == slice(0, 3 * self.hidden_dim)
        if training:
            return add_bias(self.qkv.product(flat, columns), bias if whole else bias[columns], training=True)
        kernel = self.qkv.merged_kernel()
        if columns.start == 0:
            D = self.hidden_dim
            of_query = ops.full((D,), 1.0 / math.sqrt(D // self.num_heads), dtype=kernel.dtype)
            scale = ops.concatenate([of_query, ops.ones((2 * D,), dtype=kernel.dtype)])
            kernel, bias = kernel * scale, bias * scale
        if not whole:
            kernel, bias = kernel[:, columns], bias[columns]
        return add_bias(ops.matmul(flat, ops.cast(kernel, x.dtype)), bias)

    def _split_heads(self, flat, shape):
        """Return (B, kN, T, H) of (B·T, kD)."""
        head_dim = self.hidden_dim // self.num_heads
        heads = ops.reshape(flat, (shape[0], shape[1], flat.shape[-1] // head_dim, head_dim))
        return ops.transpose(heads, (0, 2, 1, 3))

    def compute_output_shape(self, states_shape, attention_mask_shape=None, query_states_shape=None):
        return query_states_shape or states_shape

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads, "dropout_rate": self.dropout_rate}
