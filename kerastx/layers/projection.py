"""A linear map of the last axis."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.reductions import sum_rows


def add_bias(x, bias, *, training=False):
    """Return x + b: float (M, C), float (C,) or None for no bias -> float (M, C).

    While training the gradient of b is `sum_rows`. Outside of training it is the plain addition, of which files are
    made.
    """
    if bias is None:
        return x
    bias = ops.cast(bias, x.dtype)
    if not training:
        return x + bias

    @ops.custom_gradient
    def forward(x, bias):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return upstream, sum_rows(upstream)

        return x + bias, gradient

    return forward(x, bias)


@keras.saving.register_keras_serializable("kerastx")
class Projection(keras.layers.Layer):
    """xW + b over the last axis, computed as one matrix product of rank 2.

    `keras.layers.Dense` on a rank 3 input drags shape arithmetic into dynamically shaped files; here the leading
    axes are folded into one before the product and unfolded behind it.

    Args:
        units: output size.
        use_bias: whether there is a b.
        initializer_range: standard deviation of the truncated normal that fills the kernel (BERT: 0.02).
        lora_rank: r; the map is x(W + sAB) + b with A (..., r) and B (r, units), and W and b are not trained (LoRA, Hu
            et al., 2021, section 4.1). B begins as zeros, so at first nothing changes. None = a plain map.
        lora_scale: s.

    Call: float (..., D) -> float (..., units).
    """

    def __init__(
        self,
        units: int,
        *,
        use_bias: bool = True,
        initializer_range: float = 0.02,
        lora_rank: int | None = None,
        lora_scale: float = 1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"units must be at least 1, got {units=}.")
        if lora_rank is not None and lora_rank < 1:
            raise ValueError(f"lora_rank must be at least 1, got {lora_rank=}.")
        self.units = units
        self.use_bias = use_bias
        self.initializer_range = initializer_range
        self.lora_rank = lora_rank
        self.lora_scale = lora_scale

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=keras.initializers.TruncatedNormal(stddev=self.initializer_range),
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros") if self.use_bias else None
        if self.lora_rank is not None:
            self._add_lora()

    def enable_lora(self, rank: int, scale: float) -> None:
        """Add A and B to a map that is built already, and leave W and b as they are from now on."""
        if rank < 1:
            raise ValueError(f"rank must be at least 1, got {rank=}.")
        if self.lora_rank is not None:
            raise ValueError(f"{self.path} has LoRA of rank {self.lora_rank} already; merge it first.")
        self.lora_rank, self.lora_scale = rank, scale
        self._tracker.unlock()  # as Keras' own layers do to gain weights after they are built
        self._add_lora()
        self._tracker.lock()

    def _add_lora(self) -> None:
        self.lora_a = self.add_weight(
            name="lora_a", shape=(self.kernel.shape[0], self.lora_rank), initializer="he_uniform"
        )
        self.lora_b = self.add_weight(name="lora_b", shape=(self.lora_rank, self.units), initializer="zeros")
        self.kernel.trainable = False
        if self.bias is not None:
            self.bias.trainable = False

    def merged_kernel(self):
        """Return W, or W + sAB: float (..., units)."""
        if self.lora_rank is None:
            return self.kernel
        return self.kernel + self.lora_scale * ops.matmul(self.lora_a, self.lora_b)

    def product(self, flat, columns: slice = slice(None)):
        """Return xW for some columns of W, or x(W + sAB) without making that sum: float (M, ...) -> float (M, C)."""
        is_whole = columns in (slice(None), slice(0, self.units))
        outputs = ops.matmul(flat, ops.cast(self.kernel if is_whole else self.kernel[:, columns], flat.dtype))
        if self.lora_rank is None:
            return outputs
        lora_b = self.lora_b if is_whole else self.lora_b[:, columns]
        narrow = ops.matmul(flat, ops.cast(self.lora_a, flat.dtype))
        return outputs + self.lora_scale * ops.matmul(narrow, ops.cast(lora_b, flat.dtype))

    def call(self, inputs, training=None):
        flat = inputs if len(inputs.shape) == 2 else ops.reshape(inputs, (-1, inputs.shape[-1]))
        outputs = add_bias(self.product(flat), self.bias, training=training)
        if len(inputs.shape) == 2:
            return outputs
        return ops.reshape(outputs, (*ops.shape(inputs)[:-1], self.units))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "initializer_range": self.initializer_range,
            "lora_rank": self.lora_rank,
            "lora_scale": self.lora_scale,
        }
