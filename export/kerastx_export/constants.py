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
from kerastx_export.convert_onnx import graphs
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
    """Return the initializers of an ONNX graph, those of its branches too."""
    return [
        Constant(
            entry.name,
            tuple(entry.dims),
            onnx.helper.tensor_dtype_to_np_dtype(entry.data_type).name,
        )
        for graph in graphs(model.graph)
        for entry in graph.initializer
    ]


def check_weights(model: keras.Model, constants: Sequence[Constant]) -> None:
    """Raise ExportError that names the weights of `model` which a converted graph lost."""
    found = Counter(constant.size for constant in constants)
    kernels: list[tuple[keras.Variable, list[list[int]]]] = []
    seen = set()
    for variable in model.weights:
        if len(variable.shape) < 2 or math.prod(variable.shape) < MIN_MATRIX:
            continue
        fingerprint = np.asarray(variable).tobytes()
        if fingerprint not in seen:  # the converters store equal weights once
            seen.add(fingerprint)
            kernels.append((variable, _ways_to_store(variable)))
    # Those that can be stored in one way only come first: the others take of what is left.
    kernels.sort(key=lambda kernel: len(kernel[1]))
    lost = [f"{variable.path} {tuple(variable.shape)}" for variable, ways in kernels if not _take(found, ways)]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise ExportError(f"the conversion lost the weights {lost[0]}{more}")


def _ways_to_store(variable: keras.Variable) -> list[list[int]]:
    """Return the sizes of the constants that may hold a variable: one, or parts where a graph computes parts."""
    size = math.prod(variable.shape)
    if not variable.path.endswith("/qkv/kernel"):
        return [[size]]
    third = size // 3  # query, key and value; or the query apart from the other two
    return [[size], [third, 2 * third], [third, third, third]]


def _take(found: Counter[int], ways: list[list[int]]) -> bool:
    """Take the constants of one of several ways out of `found`; return whether there were any."""
    for sizes in ways:
        needed = Counter(sizes)
        if all(found[size] >= count for size, count in needed.items()):
            found.subtract(needed)
            return True
    return False


def check_storage(recipe: Recipe, constants: Sequence[Constant]) -> None:
    """Raise ExportError that names a matrix which is not stored as the recipe promises."""
    accepted = {"int8": ("int8", "uint8")}.get(recipe.weight_dtype, (recipe.weight_dtype,))
    for constant in constants:
        is_matrix = sum(size > 1 for size in constant.shape) >= 2 and constant.size >= MIN_MATRIX
        if is_matrix and constant.dtype not in accepted:
            raise ExportError(
                f"{recipe.name} was asked for, but {constant.name} {constant.shape} is stored as {constant.dtype}"
            )
