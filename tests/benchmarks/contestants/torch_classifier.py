"""transformers' BertForSequenceClassification, run eagerly by PyTorch."""

from __future__ import annotations

import numpy as np
import product_files
import protocol
import torch
from bert_torch import bert_classifier
from classifier import bert_names, check_inputs, full_row


class TorchClassifier:
    """Options: folder, sizes."""

    def __init__(self, options: dict):
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        self.model = bert_classifier(options["folder"], options["sizes"])
        self.sizes = options["sizes"]
        self.facts = {
            "versions": protocol.versions("torch", "transformers"),
            "settings": "eager, `eval`, `torch.inference_mode`, attention `sdpa`, `torch.set_num_threads(1)`",
        }
        left, right = (torch.from_numpy(array) for array in product_files.factors())
        left16, right16 = left.bfloat16(), right.bfloat16()
        self.matmuls = {
            "fp32": (lambda: left @ right, product_files.OPERATIONS),
            "bf16": (lambda: left16 @ right16, product_files.OPERATIONS),
        }

    def _inputs(self, inputs: dict) -> dict:
        return {name: torch.from_numpy(value) for name, value in bert_names(inputs).items()}

    def _run(self, inputs: dict) -> np.ndarray:
        with torch.inference_mode():
            return self.model(**inputs).logits.numpy()

    def answer(self, case: str) -> list:
        return [self._run(self._inputs(row))[0].tolist() for row in check_inputs(self.sizes, int(case))]

    def call(self, case: str):
        inputs = self._inputs(full_row(self.sizes, int(case)))
        return lambda: self._run(inputs)


if __name__ == "__main__":
    protocol.main(TorchClassifier)
