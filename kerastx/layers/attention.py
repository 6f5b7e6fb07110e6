"""Scaled dot-product attention and its multi-head form (Vaswani et al., 2017, equation 1 and section 3.2.2)."""

from __future__ import annotations

import functools
import math

import keras
from keras import ops

from kerastx.layers.dropout import Dropout
from kerastx.layers.kv_cache import write_slots
from kerastx.layers.projection import Projection, add_bias
from kerastx.layers.rotary import rotate

# Large enough that exp() of it is exactly 0 beside any real score, small enough to survive int8 and half precision.
MASKED_SCORE = -1e4


def dot_product_attention(query, key, value, *, scale=None, attention_mask=None, position_bias=None, dropout=None):
    """Return softmax(scale · QKᵀ + P + M)V.

    Args:
        query: float (B, N, T, H).
        key, value: float (B, N_kv, S, H), N_kv = N or a divisor of it: N / N_kv queries in a row then share one key
            and value (Ainslie et al., 2023, section 2.2).
        scale: of the scores; None = 1/√H.
        position_bias: float, broadcastable to (B, N, T, S), or None.
        attention_mask: bool, broadcastable to (B, N, T, S), True = may attend; None = everything may.
        dropout: callable applied to the attention weights, or None.

    Returns:
        Float (B, N, T, H).
    """
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    query = query if scale == 1.0 else query * scale
    is_grouped = query.shape[1] != key.shape[1]
    if is_grouped:  # Heads of a group stand side by side, so this is no copy: (B, N_kv, T · N / N_kv, H).
        whole = ops.shape(query)
        query = ops.reshape(query, (whole[0], key.shape[1], -1, whole[3]))
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
    if is_grouped:
        scores = ops.reshape(scores, (*whole[:3], -1))
    scores = ops.cast(scores, "float32")
    if position_bias is not None:
        scores = scores + ops.cast(position_bias, "float32")
    if attention_mask is not None:
        # Added, not selected: a float add stays inside the mobile CPU delegate, a boolean select does not.
        scores = scores + (1.0 - ops.cast(attention_mask, "float32")) * MASKED_SCORE
    # The first token of all has itself alone to attend to; of that softmax warns.
    weights = ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)
    weights = ops.cast(weights, value.dtype)
    weights = weights if dropout is None else dropout(weights)
    if not is_grouped:
        return ops.matmul(weights, value)
    weights = ops.reshape(weights, (whole[0], value.shape[1], -1, ops.shape(value)[2]))
    return ops.reshape(ops.matmul(weights, value), whole)


def split_heads(flat, shape, head_dim: int):
    """Return float (B, N, T, H) of (B·T, NH); `shape` begins with B and T."""
    heads = ops.reshape(flat, (shape[0], shape[1], flat.shape[-1] // head_dim, head_dim))
    return ops.transpose(heads, (0, 2, 1, 3))


def merge_heads(context):
    """Return float (B·T, NH) of (B, N, T, H)."""
    width = context.shape[1] * context.shape[3]
    return ops.reshape(ops.transpose(context, (0, 2, 1, 3)), (-1, width))


def unfold_rows(flat, like):
    """Return float (B, T, D) of (B·T, D), with B and T of `like`, float (B, T, ...)."""
    leading = ops.shape(like)[:2] if like.shape[1] is None else (-1, like.shape[1])
    return ops.reshape(flat, (*leading, flat.shape[-1]))


@keras.saving.register_keras_serializable("kerastx")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention with one fused projection for query, key and value.

    Args:
        num_heads: N.
        num_kv_heads: N_kv heads of keys and values, a divisor of N; None = N.
        head_dim: H; None = D / N, which must be a whole number.
        use_bias: of the output projection, and of the fused one unless qkv_bias says otherwise.
        qkv_bias: of the fused projection; None = use_bias.
        scale_scores: divide the scores by √H; T5 does not.
        dropout_rate: of the attention weights, while training.
        initializer_range: standard deviation of the initial kernels.

    Call: states float (B, T, D), attention_mask bool broadcastable to (B, N, T, T) -> float (B, T, D). With
    query_states float (B, Q, D), some of the states, it answers for these alone, (B, Q, D), and projects no other
    query; the mask is then broadcastable to (B, N, Q, T). With keep_kernel_whole it projects more than it
    needs, but uses no parts of the kernel: where other calls use all of it, a file holds it once.

    For decoders: rotation float32 (B, 1, T, H) of `RotaryPositions` and position_bias float, broadcastable to
    (B, N, T, T). With cache, the keys and values float (B, N_kv, S, H) of earlier states, it writes the new ones into
    it, see `write_slots`, attends to all of it, mask and bias being those of (B, N, T, S), and returns the new cache
    too: float (B, T, D), (keys, values).
    """

    def __init__(
        self,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        use_bias: bool = True,
        qkv_bias: bool | None = None,
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
        self.qkv_bias = qkv_bias
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
        self.hidden_dim = hidden_dim
        self.head_size = self.head_dim or hidden_dim // self.num_heads
        self.query_dim = self.num_heads * self.head_size
        self.key_dim = (self.num_kv_heads or self.num_heads) * self.head_size
        qkv_bias = self.use_bias if self.qkv_bias is None else self.qkv_bias
        alike = {"initializer_range": self.initializer_range, "dtype": self.dtype_policy}
        self.qkv = Projection(self.query_dim + 2 * self.key_dim, use_bias=qkv_bias, name="qkv", **alike)
        self.qkv.build(states_shape)
        self.output_projection = Projection(hidden_dim, use_bias=self.use_bias, name="output_projection", **alike)
        self.output_projection.build((*states_shape[:-1], self.query_dim))
        self.dropout.build((None, self.num_heads, None, None))

    def call(
        self,
        states,
        attention_mask=None,
        query_states=None,
        rotation=None,
        position_bias=None,
        cache=None,
        first_slot=None,
        training=None,
        keep_kernel_whole=False,
    ):
        # A step of generating reads each weight once: a scaled copy of the kernel would cost as much as the step.
        folds_scale = self.scale_scores and not training and cache is None
        project = functools.partial(self._project, training=training, folds_scale=folds_scale)
        if query_states is None:
            query_states = states
            query, key, value = project(states)
        elif keep_kernel_whole:
            query, _, _ = project(query_states)
            _, key, value = project(states)
        else:
            query, key, value = self._project_apart(query_states, states, training=training, folds_scale=folds_scale)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        if cache is not None:
            key, value = cache = tuple(
                write_slots(cached, new, first_slot=first_slot, axis=2)
                for cached, new in zip(cache, (key, value), strict=True)
            )
        context = dot_product_attention(
            query,
            key,
            value,
            scale=1.0 if folds_scale or not self.scale_scores else None,
            attention_mask=attention_mask,
            position_bias=position_bias,
            dropout=lambda weights: self.dropout(weights, training=training),
        )
        states = unfold_rows(self.output_projection(merge_heads(context), training=training), like=query_states)
        return states if cache is None else (states, cache)

    def _project(self, states, *, training, folds_scale):
        # Folded to (B·T, (N + 2N_kv)H), then one reshape and one transpose for all three.
        fused = self._linear(states, slice(0, self.qkv.units), training=training, folds_scale=folds_scale)
        heads = split_heads(fused, ops.shape(states), self.head_size)
        num_kv_heads = self.num_kv_heads or self.num_heads
        parts = 3 if num_kv_heads == self.num_heads else [self.num_heads, self.num_heads + num_kv_heads]
        return ops.split(heads, parts, axis=1)

    def _project_apart(self, query_states, states, *, training, folds_scale):
        """Return the query of some states, and keys and values of all: by slices of the one kernel."""
        alike = {"training": training, "folds_scale": folds_scale}
        query = self._linear(query_states, slice(0, self.query_dim), **alike)
        both = self._linear(states, slice(self.query_dim, self.qkv.units), **alike)
        query = split_heads(query, ops.shape(query_states), self.head_size)
        return query, *ops.split(split_heads(both, ops.shape(states), self.head_size), 2, axis=1)

    def _linear(self, x, columns, *, training, folds_scale):
        """Return some columns of the projection of x: float (B, T, D) -> float (B·T, C).

        With folds_scale queries come scaled by 1/√H: in a file the scale is part of the weights, and costs nothing.
        """
        flat, bias = ops.reshape(x, (-1, x.shape[-1])), self.qkv.bias
        whole = columns == slice(0, self.qkv.units)
        if not folds_scale:
            bias = bias if whole or bias is None else bias[columns]
            return add_bias(self.qkv.product(flat, columns), bias, training=training)
        kernel = self.qkv.merged_kernel()
        if columns.start == 0:
            of_query = ops.full((self.query_dim,), 1.0 / math.sqrt(self.head_size), dtype=kernel.dtype)
            scale = ops.concatenate([of_query, ops.ones((2 * self.key_dim,), dtype=kernel.dtype)])
            kernel, bias = kernel * scale, None if bias is None else bias * scale
        if not whole:
            kernel, bias = kernel[:, columns], None if bias is None else bias[columns]
        return add_bias(ops.matmul(flat, ops.cast(kernel, x.dtype)), bias)

    def compute_output_shape(self, states_shape, attention_mask_shape=None, query_states_shape=None):
        return query_states_shape or states_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_kv_heads": self.num_kv_heads,
            "head_dim": self.head_dim,
            "use_bias": self.use_bias,
            "qkv_bias": self.qkv_bias,
            "scale_scores": self.scale_scores,
            "dropout_rate": self.dropout_rate,
            "initializer_range": self.initializer_range,
        }
