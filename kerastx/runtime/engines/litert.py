"""TFLite graphs, run by LiteRT (package ai-edge-litert)."""

from __future__ import annotations

import threading

import numpy as np

from kerastx.errors import ArtifactError, MissingExtraError
from kerastx.runtime.engines import check_inputs

# The signature of a file that takes text too, beside tokenize and text.
IDS = "ids"


class LitertEngine:
    """One interpreter behind a lock: it holds its tensors, so two threads must not run it at once."""

    def __init__(self, content: bytes, *, threads: int = 1):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingExtraError("ai_edge_litert", "litert") from error
        try:
            interpreter = Interpreter(model_content=content, num_threads=threads)
            keys = list(interpreter.get_signature_list())
            if len(keys) != 1 and IDS not in keys:
                raise ArtifactError(f"expected a TFLite graph with one signature, or one called {IDS}, found {keys}")
            self._runner = interpreter.get_signature_runner(IDS if IDS in keys else keys[0])
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"LiteRT cannot load the graph: {' '.join(str(error).split())}") from error
        self._lock = threading.Lock()
        inputs, outputs = self._runner.get_input_details(), self._runner.get_output_details()
        self.inputs = {name: np.dtype(detail["dtype"]) for name, detail in inputs.items()}
        self.outputs = {name: np.dtype(detail["dtype"]) for name, detail in outputs.items()}

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output by its name; see `Engine`."""
        check_inputs(inputs, self.inputs)
        with self._lock:
            return self._runner(**inputs)
