"""Layer normalization (Ba, Kiros and Hinton, 2016, equation 4)."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerastx")
class LayerNormalization(keras.layers.Layer):
    """γ (x - mean) / sqrt(variance + ε) + β over the last axis.

    Written with power, square root and division because onnxruntime recognises that form as its fused
    LayerNormalization; statistics are float32 also under mixed precision.

    Call: float (..., D) -> float (..., D).
    """

    def __init__(self, *, epsilon: float = 1e-12, **kwargs):
        super().__init__(**kwargs)
        if epsilon <= 0:
            raise ValueError(f"epsilon must be positive, got {epsilon=}.")
        self.epsilon = epsilon

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        centered = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.power(centered, 2.0), axis=-1, keepdims=True)
        normalized = centered / ops.sqrt(variance + self.epsilon)
        return ops.cast(normalized, self.compute_dtype) * self.gamma + self.beta

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
