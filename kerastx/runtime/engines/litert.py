"""TFLite graphs, run by LiteRT (package ai-edge-litert)."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from kerastx.errors import ArtifactError, MissingExtraError
from kerastx.runtime.engines import check_inputs

# The signatures of a file that takes text too, beside tokenize.
IDS, TEXT = "ids", "text"


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
            self._texts: Any = interpreter.get_signature_runner(TEXT) if TEXT in keys else None
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"LiteRT cannot load the graph: {' '.join(str(error).split())}") from error
        self._lock = threading.Lock()
        inputs, outputs = self._runner.get_input_details(), self._runner.get_output_details()
        self.inputs = {name: np.dtype(detail["dtype"]) for name, detail in inputs.items()}
        self.outputs = {name: np.dtype(detail["dtype"]) for name, detail in outputs.items()}
        sizes = {} if self._texts is None else self._texts.get_input_details()
        self.text_inputs = tuple(sorted(sizes, reverse=True))  # text, pair
        self._budget = next((int(detail["shape"][1]) for detail in sizes.values()), 0)

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output by its name; see `Engine`."""
        check_inputs(inputs, self.inputs)
        with self._lock:
            return self._runner(**inputs)

    def run_text(self, texts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output for texts given as bytes, at most as many as the graph takes; see `Engine`."""
        check_inputs(texts, dict.fromkeys(self.text_inputs, np.dtype(np.uint8)))
        whole = {name: np.zeros((len(rows), self._budget), np.uint8) for name, rows in texts.items()}
        for name, rows in texts.items():
            if rows.shape[1] > self._budget:
                raise ValueError(f"{name} must have at most {self._budget} bytes, got {rows.shape[1]}.")
            whole[name][:, : rows.shape[1]] = rows
        with self._lock:
            found = [
                self._texts(**{name: rows[row : row + 1] for name, rows in whole.items()})
                for row in range(len(whole[self.text_inputs[0]]))
            ]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}
