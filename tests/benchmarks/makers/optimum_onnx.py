"""Write optimum-onnx's files of the shared weights, as its documentation does it: FOLDER SIZES."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from bert_torch import bert_classifier
from optimum.exporters.onnx import onnx_export_from_model
from optimum.onnxruntime import (
    AutoOptimizationConfig,
    AutoQuantizationConfig,
    ORTModelForSequenceClassification,
    ORTOptimizer,
    ORTQuantizer,
)


def main(folder: Path, sizes: dict) -> None:
    torch.set_num_threads(1)
    target = folder / "optimum"
    shutil.rmtree(target, ignore_errors=True)
    model = bert_classifier(str(folder), sizes)
    onnx_export_from_model(model, target / "fp32", task="text-classification", do_validation=False)
    exported = ORTModelForSequenceClassification.from_pretrained(target / "fp32")
    ORTOptimizer.from_pretrained(exported).optimize(
        save_dir=target / "O3", optimization_config=AutoOptimizationConfig.O3()
    )
    per_channel = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
    ORTQuantizer.from_pretrained(target / "fp32").quantize(save_dir=target / "int8", quantization_config=per_channel)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
