"""Look-ups without the steps that let an index count from the end.

`keras.ops.take` reads index -1 as the last entry, so that before each GATHER stands index < 0 ? index + n : index, and
that is a third of a tokenizer's operators. Its indices are never negative. Should one be, the runtime refuses to look
it up; nothing wrong is answered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerastx_export.tflite_graph import operator_name

_INT32 = schema.TensorType.INT32


def read_indices_as_they_are(model: Any) -> None:
    """Let every GATHER of a `schema.ModelT` read the index itself; what no operator reads then stays in the graph."""
    for graph in model.subgraphs:
        finder = _WrappingFinder(model, graph)
        for operator in graph.operators:
            if finder.name(operator) == "GATHER":
                values, index = operator.inputs
                axis = operator.builtinOptions.axis
                operator.inputs = np.array([values, finder.unwrapped(index, graph.tensors[values].shape[axis])])


class _WrappingFinder:
    """Recognises index < 0 ? index + n : index in one subgraph."""

    def __init__(self, model: Any, graph: Any):
        self._model, self._graph = model, graph
        self._makers = {int(output): operator for operator in graph.operators for output in operator.outputs}

    def name(self, operator: Any) -> str:
        return operator_name(self._model.operatorCodes[operator.opcodeIndex])

    def unwrapped(self, tensor: int, size: int) -> int:
        """Return the index that `tensor` was made from, where it counts from the end of `size` entries; else itself."""
        inputs = self._inputs(tensor, "SELECT", "SELECT_V2")
        if inputs is None:
            return tensor
        condition, wrapped, index = inputs
        is_negative = self._inputs(condition, "LESS")
        moved = self._inputs(wrapped, "ADD")
        if is_negative is None or moved is None:
            return tensor
        is_wrapping = (
            is_negative[0] == index
            and self._number(is_negative[1]) == 0
            and index in moved
            and size in [self._number(other) for other in moved]
        )
        return index if is_wrapping else tensor

    def _inputs(self, tensor: int, *names: str) -> list[int] | None:
        """Return what a tensor was made from by an operator of these names, or None."""
        maker = self._makers.get(int(tensor))
        return [int(number) for number in maker.inputs] if maker is not None and self.name(maker) in names else None

    def _number(self, tensor: int) -> int | None:
        """Return the value of a constant of one int32, or None."""
        found = self._graph.tensors[tensor]
        data = self._model.buffers[found.buffer].data
        if found.type != _INT32 or data is None or len(data) != np.dtype(np.int32).itemsize:
            return None
        return int(np.frombuffer(bytes(data), "<i4")[0])
