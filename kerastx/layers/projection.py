"""A linear map of the last axis."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.reductions import sum_rows


def add_bias(x, bias, *, training=False):
    """Return x + b: float (M, C), float (C,) -> float (M, C).

    While training the gradient of b is `sum_rows`. Outside of training it is the plain addition, of which files are
    made.
    """
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
        initializer_range: standard deviation of the truncated normal that fills the kernel (BERT: 0.02).

    Call: float (..., D) -> float (..., units).
    """

    def __init__(self, units: int, *, initializer_range: float = 0.02, **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"units must be at least 1, got {units=}.")
        self.units = units
        self.initializer_range = initializer_range

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=keras.initializers.TruncatedNormal(stddev=self.initializer_range),
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs, training=None):
        flat = inputs if len(inputs.shape) == 2 else ops.reshape(inputs, (-1, inputs.shape[-1]))
        outputs = add_bias(ops.matmul(flat, self.kernel), self.bias, training=training)
        if len(inputs.shape) == 2:
            return outputs
        return ops.reshape(outputs, (*ops.shape(inputs)[:-1], self.units))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "initializer_range": self.initializer_range}
