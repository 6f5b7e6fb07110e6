"""An ONNX file with the inputs of transformers, run by onnxruntime."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime
import product_files
import protocol
from classifier import bert_names, check_inputs, full_row


class OnnxFile:
    """Options: path, folder, sizes, how (said in the report)."""

    def __init__(self, options: dict):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(options["path"], settings, providers=["CPUExecutionProvider"])
        self.sizes = options["sizes"]
        self.facts = {
            "size_bytes": os.path.getsize(options["path"]),
            "versions": protocol.versions("onnxruntime", "optimum", "optimum-onnx", "transformers", "torch"),
            "settings": f"{options['how']}; onnxruntime with all its graph optimizations, 1 thread",
        }
        self.matmuls = product_files.onnx_matmuls(Path(options["folder"]))

    def _inputs(self, inputs: dict) -> dict:
        wanted = {tensor.name for tensor in self.session.get_inputs()}
        return {name: value for name, value in bert_names(inputs).items() if name in wanted}

    def answer(self, case: str) -> list:
        rows = check_inputs(self.sizes, int(case))
        return [self.session.run(["logits"], self._inputs(row))[0][0].tolist() for row in rows]

    def call(self, case: str):
        inputs = self._inputs(full_row(self.sizes, int(case)))
        return lambda: self.session.run(["logits"], inputs)


if __name__ == "__main__":
    protocol.main(OnnxFile)
