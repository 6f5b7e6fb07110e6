"""Where in a text the answer of the signature `text` stands, in bytes: a client only has to slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerastx.runtime.results import BYTE_OUTPUTS, CUT

_OPERATORS = schema.BuiltinOperator
# The first versions that take int32, and rows of their own for every text.
_VERSIONS = {_OPERATORS.MINIMUM: 2, _OPERATORS.GATHER: 5}


def add_places(model: Any, entry: Any, *, task: str, given: dict[str, int]) -> None:
    """Let the signature `entry` of a `schema.ModelT` answer BYTE_OUTPUTS too, where the task has places, and CUT.

    Args:
        model: changed in place.
        entry: its subgraph tokenizes, and answers what the task does.
        task: of the model.
        given: what the tokenizer answers, name -> number of the tensor.
    """
    graph = model.subgraphs[entry.subgraphIndex]
    found = {CUT: given[CUT]}
    if task == "tagging":
        found |= dict(zip(BYTE_OUTPUTS, (given["begins"], given["ends"]), strict=True))
    elif task == "span":
        answered = {item.name: item.tensorIndex for item in entry.outputs}
        for name, table, place in zip(BYTE_OUTPUTS, ("begins", "ends"), (b"starts", b"ends"), strict=True):
            found[name] = _look_up(model, graph, given[table], answered[place])
    for name, tensor in found.items():
        item = schema.TensorMapT()
        item.name, item.tensorIndex = name.encode(), tensor
        entry.outputs.append(item)
    graph.outputs = np.array([*graph.outputs, *found.values()], np.int32)


def _look_up(model: Any, graph: Any, table: int, place: int) -> int:
    """Add table[0, place], int32 (1, M), (1, K) -> (1, K); what is no span, by its score, may end behind the text."""
    width = int(graph.tensors[table].shape[1])
    last = _tensor(model, graph, [], np.array(width - 1, np.int32).tobytes())
    inside, found = (_tensor(model, graph, graph.tensors[place].shape) for _ in range(2))
    options = schema.GatherOptionsT()
    options.axis = options.batchDims = 1
    _operator(model, graph, _OPERATORS.MINIMUM, [place, last], inside, schema.MaximumMinimumOptionsT())
    _operator(model, graph, _OPERATORS.GATHER, [table, inside], found, options)
    return found


def _tensor(model: Any, graph: Any, shape: Any, data: bytes = b"") -> int:
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.name = np.array(shape, np.int32), schema.TensorType.INT32, b""
    tensor.shape[:1] = 1  # a text at a time
    tensor.buffer = 0
    if data:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _operator(model: Any, graph: Any, code: int, inputs: list[int], output: int, options: Any) -> None:
    operator = schema.OperatorT()
    operator.opcodeIndex = _code(model, code)
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    operator.builtinOptions = options
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    graph.operators.append(operator)


def _code(model: Any, code: int) -> int:
    for number, known in enumerate(model.operatorCodes):
        if known.builtinCode == code and known.version >= _VERSIONS[code]:
            return number
    new = schema.OperatorCodeT()
    new.builtinCode = new.deprecatedBuiltinCode = code
    new.version = _VERSIONS[code]
    model.operatorCodes.append(new)
    return len(model.operatorCodes) - 1
