"""Smaller steps for lower layers (Howard and Ruder, 2018, section 3.2: discriminative fine-tuning)."""

from __future__ import annotations

from collections.abc import Mapping

import keras

_BLOCK = "encoder_block_"


@keras.saving.register_keras_serializable("kerastx")
class ScaledAdamW(keras.optimizers.AdamW):
    """AdamW whose learning rate, decay included, is multiplied for some variables.

    Args:
        scales: beginning of `variable.path`, up to the first slash -> factor; 1 for all others.
    """

    def __init__(self, *args, scales: Mapping[str, float] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.scales = dict(scales or {})

    def scale_of(self, variable) -> float:
        # While updating, the TensorFlow backend gives its own variable, which does not know its path.
        own = self._trainable_variables[self._get_variable_index(variable)]
        return self.scales.get(own.path.split("/")[0], 1.0)

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate * self.scale_of(variable))

    def _apply_weight_decay(self, variables):
        if self.weight_decay is None:
            return
        for variable in variables:
            if self._use_weight_decay(variable):
                rate = keras.ops.cast(self.learning_rate, variable.dtype) * self.scale_of(variable)
                decay = keras.ops.cast(self.weight_decay, variable.dtype)
                variable.assign(variable - variable * decay * rate)

    def get_config(self):
        return {**super().get_config(), "scales": self.scales}


def layer_scales(model: keras.Model, decay: float) -> dict[str, float]:
    """Return the factors of `ScaledAdamW`: 1 for heads, d for the last block, d² for the one below, ...

    Args:
        model: with encoder blocks.
        decay: d, in (0, 1].
    """
    if not 0 < decay <= 1:
        raise ValueError(f"the layer decay must be in (0, 1], got {decay}.")
    numbers = [int(layer.name.removeprefix(_BLOCK)) for layer in model.layers if layer.name.startswith(_BLOCK)]
    count = max(numbers) + 1
    scales = {f"{_BLOCK}{number}": decay ** (count - number) for number in numbers}
    below = decay ** (count + 1)
    return {**scales, "token_embedding": below, "input_embeddings": below, "embedding_projection": below}
