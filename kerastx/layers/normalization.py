"""Layer normalization (Ba, Kiros and Hinton, 2016, equation 4), and by the root mean square alone."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.reductions import sum_rows

NORM_KINDS = ("layer", "rms")


def normalize(x, gamma, beta, epsilon: float):
    """Return γ x̂ + β with x̂ = (x - mean) / sqrt(variance + ε), differentiable: float32 (M, D), (D,), (D,) -> (M, D).

    With g the gradient of the result, that of x is (γg - mean(γg) - x̂ mean(γg x̂)) / sqrt(variance + ε).
    """

    @ops.custom_gradient
    def forward(x, gamma, beta):
        centered = x - ops.mean(x, axis=-1, keepdims=True)
        scale = ops.rsqrt(ops.mean(ops.square(centered), axis=-1, keepdims=True) + epsilon)
        normalized = centered * scale

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            product = upstream * normalized
            column = ops.expand_dims(gamma / x.shape[-1], -1)
            mean, mean_product = ops.matmul(upstream, column), ops.matmul(product, column)
            of_x = (upstream * gamma - mean - normalized * mean_product) * scale
            return of_x, sum_rows(product), sum_rows(upstream)

        return normalized * gamma + beta, gradient

    return forward(x, gamma, beta)


@keras.saving.register_keras_serializable("kerastx")
class LayerNormalization(keras.layers.Layer):
    """γ (x - mean) / sqrt(variance + ε) + β over the last axis.

    All of it is float32 also under mixed precision. Outside of training it is written with power, square root and
    division, because onnxruntime recognises that form as its fused LayerNormalization; while training the same values
    come with a gradient in closed form, which takes half the time of the derived one.

    Call: float (..., D) -> float (..., D).
    """

    def __init__(self, *, epsilon: float = 1e-12, **kwargs):
        super().__init__(**kwargs)
        if epsilon <= 0:
            raise ValueError(f"epsilon must be positive, got {epsilon=}.")
        self.epsilon = epsilon

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros", autocast=False)

    def call(self, inputs, training=None):
        if training:
            flat = ops.reshape(ops.cast(inputs, "float32"), (-1, inputs.shape[-1]))
            outputs = normalize(flat, ops.cast(self.gamma, "float32"), ops.cast(self.beta, "float32"), self.epsilon)
            return ops.cast(ops.reshape(outputs, ops.shape(inputs)), self.compute_dtype)
        x = ops.cast(inputs, "float32")
        centered = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.power(centered, 2.0), axis=-1, keepdims=True)
        normalized = centered / ops.sqrt(variance + self.epsilon)
        return ops.cast(normalized * self.gamma + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


def scale_to_unit_square(x, gamma, epsilon: float):
    """Return γ x̂ with x̂ = x / sqrt(mean(x²) + ε), differentiable: float32 (M, D), (D,) -> (M, D).

    With g the gradient of the result, that of x is (γg - x̂ mean(γg x̂)) / sqrt(mean(x²) + ε).
    """

    @ops.custom_gradient
    def forward(x, gamma):
        scale = ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + epsilon)
        normalized = x * scale

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            product = upstream * normalized
            mean_product = ops.matmul(product, ops.expand_dims(gamma / x.shape[-1], -1))
            return (upstream * gamma - normalized * mean_product) * scale, sum_rows(product)

        return normalized * gamma, gradient

    return forward(x, gamma)


@keras.saving.register_keras_serializable("kerastx")
class RMSNormalization(keras.layers.Layer):
    """s γ x / sqrt(mean(x²) + ε) over the last axis, in float32 (Zhang and Sennrich, 2019, equation 4).

    Outside of training γ meets x first: a constant that is multiplied last, right before a matrix product, would be
    folded into a second copy of that matrix by TFLite's converter, and behind the last norm that is the vocabulary.

    Args:
        epsilon: ε.
        scale: s; T5 divides by √D before its output matrix.

    Call: float (..., D) -> float (..., D).
    """

    def __init__(self, *, epsilon: float = 1e-6, scale: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if epsilon <= 0:
            raise ValueError(f"epsilon must be positive, got {epsilon=}.")
        self.epsilon = epsilon
        self.scale = scale

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones", autocast=False)

    def call(self, inputs, training=None):
        x = ops.cast(inputs, "float32")
        if training:
            gamma = ops.cast(self.gamma, "float32") * self.scale
            flat = scale_to_unit_square(ops.reshape(x, (-1, inputs.shape[-1])), gamma, self.epsilon)
            return ops.cast(ops.reshape(flat, ops.shape(inputs)), self.compute_dtype)
        root = ops.rsqrt(ops.mean(x * x, axis=-1, keepdims=True) + self.epsilon)
        return ops.cast((x * self.gamma) * (root if self.scale == 1.0 else root * self.scale), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "scale": self.scale}


def norm_layer(kind: str, *, epsilon: float, name: str, **kwargs) -> keras.layers.Layer:
    """Return the norm of a kind: "layer", `LayerNormalization`, or "rms", `RMSNormalization`."""
    if kind not in NORM_KINDS:
        raise ValueError(f"norm_kind must be one of {NORM_KINDS}, got {kind!r}.")
    return (LayerNormalization if kind == "layer" else RMSNormalization)(epsilon=epsilon, name=name, **kwargs)
