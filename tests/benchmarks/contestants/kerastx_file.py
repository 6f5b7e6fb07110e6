"""An exported file of ours, run as its users run it: `kerastx.load`."""

from __future__ import annotations

import os
from pathlib import Path

import product_files
import protocol
from classifier import check_inputs, full_row

import kerastx


class KerastxFile:
    """The engine of a session; options: path, folder, sizes."""

    def __init__(self, options: dict):
        self.session = kerastx.load(options["path"], threads=1)
        self.sizes = options["sizes"]
        engine = "ai-edge-litert" if options["path"].endswith(".tflite") else "onnxruntime"
        self.facts = {
            "size_bytes": os.path.getsize(options["path"]),
            "versions": protocol.versions("kerastx", engine),
            "settings": "`kerastx.load(path, threads=1)`; the file holds tokenizer and manifest as well",
        }
        matmuls = product_files.litert_matmuls if engine == "ai-edge-litert" else product_files.onnx_matmuls
        self.matmuls = matmuls(Path(options["folder"]))

    def answer(self, case: str) -> list:
        run = self.session.engine.run
        return [run(inputs)["logits"][0].tolist() for inputs in check_inputs(self.sizes, int(case))]

    def call(self, case: str):
        inputs = full_row(self.sizes, int(case))
        return lambda: self.session.engine.run(inputs)


if __name__ == "__main__":
    protocol.main(KerastxFile)
