"""optimum's fp32 ONNX file, run by OpenVINO."""

from __future__ import annotations

import os

import numpy as np
import openvino
import product_files
import protocol
from classifier import bert_names, check_inputs, full_row


class OpenvinoFile:
    """Options: path, folder, sizes, precision ("f32" or "bf16")."""

    def __init__(self, options: dict):
        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": options["precision"],
        }
        model = core.read_model(options["path"])
        self.names = {name for port in model.inputs for name in port.get_names()}
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        self.sizes = options["sizes"]
        self.facts = {
            "size_bytes": os.path.getsize(options["path"]),
            "versions": protocol.versions("openvino"),
            "settings": "optimum's fp32 ONNX file, OpenVINO CPU plugin, LATENCY, 1 stream, INFERENCE_NUM_THREADS=1, "
            f"INFERENCE_PRECISION_HINT={options['precision']}",
        }
        product = core.compile_model(os.path.join(options["folder"], "product-fp32.onnx"), "CPU", settings)
        request, feed = product.create_infer_request(), {"x": product_files.factors()[0]}
        arithmetic = {"f32": "fp32"}.get(options["precision"], options["precision"])
        self.matmuls = {arithmetic: (lambda: request.infer(feed, share_inputs=True), product_files.OPERATIONS)}

    def _run(self, inputs: dict) -> np.ndarray:
        return self.request.infer(inputs, share_inputs=True)["logits"]

    def _inputs(self, inputs: dict) -> dict:
        return {name: value for name, value in bert_names(inputs).items() if name in self.names}

    def answer(self, case: str) -> list:
        return [self._run(self._inputs(row))[0].tolist() for row in check_inputs(self.sizes, int(case))]

    def call(self, case: str):
        inputs = self._inputs(full_row(self.sizes, int(case)))
        return lambda: self._run(inputs)


if __name__ == "__main__":
    protocol.main(OpenvinoFile)
