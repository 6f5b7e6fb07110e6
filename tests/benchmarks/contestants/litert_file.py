"""A .tflite file that keras-nlp's own export wrote, run by LiteRT."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import product_files
import protocol
from ai_edge_litert.interpreter import Interpreter
from classifier import check_inputs, full_row


class LitertFile:
    """Options: path, folder, sizes, how (said in the report)."""

    def __init__(self, options: dict):
        interpreter = Interpreter(options["path"], num_threads=1)
        (key,) = interpreter.get_signature_list()
        self.runner = interpreter.get_signature_runner(key)
        self.details = self.runner.get_input_details()
        self.sizes = options["sizes"]
        self.facts = {
            "size_bytes": os.path.getsize(options["path"]),
            "versions": protocol.versions("ai-edge-litert", "keras", "keras-nlp", "tensorflow"),
            "settings": f"{options['how']}; LiteRT with XNNPACK, 1 thread, its signature runner",
        }
        self.matmuls = product_files.litert_matmuls(Path(options["folder"]))

    def _run(self, inputs: dict) -> np.ndarray:
        (logits,) = self.runner(**inputs).values()
        return logits

    def _inputs(self, inputs: dict) -> dict:
        return {name: value.astype(self.details[name]["dtype"]) for name, value in inputs.items()}

    def answer(self, case: str) -> list:
        return [self._run(self._inputs(row))[0].tolist() for row in check_inputs(self.sizes, int(case))]

    def call(self, case: str):
        inputs = self._inputs(full_row(self.sizes, int(case)))
        return lambda: self._run(inputs)


if __name__ == "__main__":
    protocol.main(LitertFile)
