"""Low-rank adaptation of a model that is built already (Hu et al., 2021)."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.projection import Projection

# Of the variables that `add_lora` adds.
LORA_NAMES = ("lora_a", "lora_b")


def add_lora(model: keras.Model, *, rank: int = 8, alpha: float = 16.0) -> int:
    """Freeze the encoder and add a low-rank map beside each of the linear maps of its blocks.

    Heads and pooler stay trainable. `model` answers as before until it is trained. Saving, exporting and
    `merged_weights` fold what was learned into the kernels.

    Args:
        model: of any task.
        rank: r; smaller is cheaper.
        alpha: the maps are scaled by alpha / r.

    Returns:
        How many weights are trained now.
    """
    if rank < 1:
        raise ValueError(f"rank must be at least 1, got {rank}.")
    for layer in model.layers:
        if layer.name == "pooler" or layer.name.endswith("_head"):
            continue
        for variable in layer.variables:
            variable.trainable = False
        if layer.name.startswith("encoder_block_"):
            for part in _projections(layer):
                part.enable_lora(rank, alpha / rank)
    return sum(int(ops.size(variable)) for variable in model.trainable_variables)


def has_lora(model: keras.Model) -> bool:
    """Whether `add_lora` was called on a model."""
    return any(layer.lora_rank is not None for layer in _projections(model))


def merged_weights(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Return `variable.path` -> W + sAB of every map with LoRA, and nothing for the others."""
    return {layer.kernel.path: layer.merged_kernel() for layer in _projections(model) if layer.lora_rank is not None}


def _projections(layer: keras.layers.Layer) -> list[Projection]:
    return [part for part in layer._flatten_layers() if isinstance(part, Projection)]
