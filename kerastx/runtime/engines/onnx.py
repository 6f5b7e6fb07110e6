"""ONNX graphs, run by onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerastx.errors import ArtifactError, MissingExtraError
from kerastx.runtime.engines import TensorSpec, check_inputs
from kerastx.runtime.results import BYTE_OUTPUTS, CUT

_DTYPES = {
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
    "tensor(float)": "float32",
}
# Warnings about a file are for those who made it; errors are raised.
_LOG_ERRORS = 3


class OnnxEngine:
    """One inference session; onnxruntime lets several threads run it at once."""

    def __init__(self, content: bytes, *, threads: int = 1):
        self._session = _open(content, threads)
        given = {tensor.name: _dtype(tensor) for tensor in self._session.get_inputs()}
        answered = {tensor.name: _dtype(tensor) for tensor in self._session.get_outputs()}
        self._no_texts = {name: np.zeros((0, 0), np.uint8) for name, dtype in given.items() if dtype == np.uint8}
        self.text_inputs = tuple(self._no_texts)
        self.text_outputs = tuple(name for name in (*BYTE_OUTPUTS, CUT) if self.text_inputs and name in answered)
        if self.text_inputs:  # the ids, if it takes any, need not be given
            given = {tensor.name: _dtype(tensor) for tensor in self._session.get_overridable_initializers()}
        self.inputs = given
        self.outputs = {name: dtype for name, dtype in answered.items() if name not in self.text_outputs}

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output by its name; see `Engine`."""
        check_inputs(inputs, self.inputs)
        return self._run({**inputs, **self._no_texts}, list(self.outputs))

    def run_text(self, texts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output for texts given as bytes; see `Engine`."""
        check_inputs(texts, dict.fromkeys(self.text_inputs, np.dtype(np.uint8)))
        return self._run(texts, [*self.outputs, *self.text_outputs])

    def _run(self, inputs: dict[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
        return dict(zip(names, self._session.run(names, inputs), strict=True))


class StepGraph:
    """The graph of a file that writes; several threads may run it at once.

    Attributes:
        inputs, outputs: by name.
        optional: the inputs that need not be given.
    """

    def __init__(self, content: bytes, *, threads: int = 1):
        self._session = _open(content, threads)
        needed, optional = self._session.get_inputs(), self._session.get_overridable_initializers()
        self.inputs = {tensor.name: _spec(tensor) for tensor in (*needed, *optional)}
        self.optional = {tensor.name for tensor in optional}
        self.outputs = {tensor.name: _spec(tensor) for tensor in self._session.get_outputs()}

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return outputs by their names, in order; ArtifactError where the graph cannot be run."""
        try:
            return self._session.run(names, inputs)
        except _errors() as error:
            raise ArtifactError(f"onnxruntime cannot run the graph: {' '.join(str(error).split())}") from error


def _open(content: bytes, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "onnx") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_ERRORS
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except _errors() as error:
        raise ArtifactError(f"onnxruntime cannot load the graph: {' '.join(str(error).split())}") from error


def _errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
        RuntimeError,
    )


def _spec(tensor) -> TensorSpec:
    return TensorSpec(_dtype(tensor).name, tuple(size if isinstance(size, int) else None for size in tensor.shape))


def _dtype(tensor) -> np.dtype:
    if tensor.type not in _DTYPES:
        raise ArtifactError(f"{tensor.name} of the graph is a {tensor.type}; expected one of {sorted(_DTYPES)}")
    return np.dtype(_DTYPES[tensor.type])
