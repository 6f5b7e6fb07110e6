"""Dropout (Srivastava et al., 2014) at a quarter of the random numbers."""

from __future__ import annotations

import math

import keras
from keras import ops

STEPS = 256  # values of a random byte


@keras.saving.register_keras_serializable("kerastx")
class Dropout(keras.layers.Layer):
    """Set units to zero and scale the others up, while training.

    `keras.layers.Dropout` draws 32 random bits for each unit, and on a CPU the drawing takes as long as a layer. Here
    a unit costs one random byte: the rate is rounded to a multiple of 1/256 (0.1 becomes 26/256 = 0.1016), and the
    scale is that of the rounded rate.

    Args:
        rate: share of dropped units, in [0, 1).
        seed: of the random bytes; drawn when None.

    Call: float (...) -> float (...).
    """

    def __init__(self, rate: float, *, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be in [0, 1), got {rate!r}.")
        self.rate = rate
        self.seed = seed
        self.threshold = min(math.floor(rate * STEPS + 0.5), STEPS - 1)  # bytes below it drop their unit
        if self.threshold:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape=None):
        pass

    def call(self, inputs, training=False):
        if not training or not self.threshold:
            return inputs
        shape = ops.shape(inputs)
        num_units = math.prod(shape) if all(isinstance(size, int) for size in shape) else ops.prod(ops.stack(shape))
        words_shape = ((num_units + 3) // 4, 1)
        words = keras.random.randint(words_shape, -(2**31), 2**31 - 1, dtype="int32", seed=self.seed_generator)
        random_bytes = ops.reshape(ops.reshape(ops.view(words, "uint8"), (-1,))[:num_units], shape)
        kept = ops.cast(random_bytes >= ops.cast(self.threshold, "uint8"), inputs.dtype)
        return inputs * (kept * (STEPS / (STEPS - self.threshold)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
