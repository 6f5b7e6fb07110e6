"""Reading and repacking the flatbuffer of a TFLite graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerastx_export.constants import Constant

_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16


class TfliteGraph:
    """A parsed .tflite flatbuffer.

    Attributes:
        model: the object tree of `schema_py_generated`.
        operators: operator -> how many, most frequent first; custom ones as "custom:NAME".
        constants: every tensor with data.
    """

    def __init__(self, content: bytes):
        self.model = schema.ModelT.InitFromPackedBuf(content, 0)
        self._codes = codes = [operator_name(code) for code in self.model.operatorCodes]
        found = [codes[node.opcodeIndex] for graph in self.model.subgraphs for node in graph.operators]
        self.operators = dict(Counter(found).most_common())
        self.constants = [
            Constant(_text(tensor.name or b""), tuple(int(size) for size in tensor.shape), _DTYPES[tensor.type])
            for graph in self.model.subgraphs
            for tensor in graph.tensors
            if _has_data(self.model.buffers[tensor.buffer])
        ]

    def tensor_names(self) -> tuple[list[str], list[str]]:
        """Return the signature's names of the inputs and of the outputs, in the order of the tensors."""
        entry = self.model.signatureDefs[0]  # of several, as `graft` makes them, the one of ids
        graph = self.model.subgraphs[entry.subgraphIndex]
        names = {item.tensorIndex: _text(item.name) for item in [*entry.inputs, *entry.outputs]}
        return [names[index] for index in graph.inputs], [names[index] for index in graph.outputs]

    def operators_of(self, subgraphs: Iterable[int]) -> set[str]:
        """Return the operators of the subgraphs with these numbers."""
        chosen = [self.model.subgraphs[number] for number in subgraphs]
        return {self._codes[node.opcodeIndex] for graph in chosen for node in graph.operators}

    def packed(self) -> bytes:
        """Return the flatbuffer as it is now."""
        builder = _AlignedBuilder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=_IDENTIFIER)
        return bytes(builder.Output())

    def with_metadata(self, name: str, data: bytes, *, description: str) -> bytes:
        """Return the packed graph with one more named metadata buffer and another description."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(self.model.buffers)
        self.model.buffers.append(buffer)
        self.model.metadata = [*(self.model.metadata or []), entry]
        self.model.description = description
        return self.packed()


class _AlignedBuilder(flatbuffers.Builder):
    """Keeps the data of buffers on 16 bytes, as the schema demands and the Python generator forgets.

    Equal shapes and lists of tensors are written once: a third of what operators take.
    """

    def __init__(self, size: int):
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x):  # noqa: N802  the library's name
        if x.dtype != np.uint8:
            key = x.dtype.str, x.tobytes()
            if key not in self._written:
                self._written[key] = super().CreateNumpyVector(x)
            return self._written[key]
        self.StartVector(1, x.size, _ALIGNMENT)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        self.vectorNumElems = x.size
        return self.EndVector()


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OPERATORS = _names(schema.BuiltinOperator)
_DTYPES = {value: name.lower() for value, name in _names(schema.TensorType).items()}


def operator_name(code: Any) -> str:
    """Return the name of an operator code of the schema; of a custom one, "custom:NAME"."""
    if code.customCode:
        return f"custom:{_text(code.customCode)}"
    # Operators beyond 127 do not fit the older of the two fields, which then holds a placeholder.
    return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _has_data(buffer: Any) -> bool:
    return buffer.data is not None and len(buffer.data) > 0


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
