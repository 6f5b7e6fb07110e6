"""A table that is looked up in and multiplied with, in 8 bits: once in a file, not twice.

The converter quantizes the matrix of a product row by row, as `int8_tables` does the table of a lookup, but for how it
rounds what stands half way between two levels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerastx_export.tflite_slimming import share_buffers

_MIN_SIZE = 1024


def share_tied_tables(model: Any) -> None:
    """Let tables of a `schema.ModelT` that differ by one level at most, in int8, have one buffer, in place."""
    by_shape: dict[tuple[int, ...], list[Any]] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if tensor.type == schema.TensorType.INT8 and data is not None and len(data) >= _MIN_SIZE:
                by_shape.setdefault(tuple(map(int, tensor.shape)), []).append(tensor)
    for tensors in by_shape.values():
        for tensor in tensors:
            tensor.buffer = next(other.buffer for other in tensors if _are_one(model, tensor, other))
    model.metadata = None  # it names buffers, of which there are fewer now
    share_buffers(model)


def _are_one(model: Any, one: Any, other: Any) -> bool:
    if one.buffer == other.buffer:
        return True
    levels = [
        np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int8).astype(np.int16) for tensor in (one, other)
    ]
    return int(np.abs(levels[0] - levels[1]).max()) <= 1
