"""The constants of a converted graph, in either format, and what must be true of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import onnx

from kerastx.errors import ExportError
from kerastx_export.recipes import Recipe

# Matrices above this are what a recipe is about; below it a format may keep 32 bits.
MIN_MATRIX = 4096


@dataclass(frozen=True)
class Constant:
    """A constant tensor of a graph: weights, or a small number."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def onnx_constants(model: onnx.ModelProto) -> list[Constant]:
    """Return the initializers of an ONNX graph."""
    return [
        Constant(
            entry.name,
            tuple(entry.dims),
            onnx.helper.tensor_dtype_to_np_dtype(entry.data_type).name,
        )
        for entry in model.graph.initializer
    ]


def check_weights(model: keras.Model, constants: Sequence[Constant]) -> None:
    """Raise ExportError that names the weights of `model` which a converted graph lost."""
    found = Counter(constant.size for constant in constants)
    lost, seen = [], set()
    for variable in model.weights:
        if len(variable.shape) < 2 or math.prod(variable.shape) < MIN_MATRIX:
            continue
        fingerprint = np.asarray(variable).tobytes()
        if fingerprint in seen:  # the converters store equal weights once
            continue
        seen.add(fingerprint)
        size = math.prod(variable.shape)
        found[size] -= 1
        if found[size] < 0:
            lost.append(f"{variable.path} {tuple(variable.shape)}")
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise ExportError(f"the conversion lost the weights {lost[0]}{more}")


def check_storage(recipe: Recipe, constants: Sequence[Constant]) -> None:
    """Raise ExportError that names a matrix which is not stored as the recipe promises."""
    accepted = {"int8": ("int8", "uint8")}.get(recipe.weight_dtype, (recipe.weight_dtype,))
    for constant in constants:
        is_matrix = sum(size > 1 for size in constant.shape) >= 2 and constant.size >= MIN_MATRIX
        if is_matrix and constant.dtype not in accepted:
            raise ExportError(
                f"{recipe.name} was asked for, but {constant.name} {constant.shape} is stored as {constant.dtype}"
            )
