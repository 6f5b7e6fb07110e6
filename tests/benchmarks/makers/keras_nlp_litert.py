"""Write keras-nlp's BERT of the shared weights by `model.export(format="litert")`: FOLDER SIZES."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras_nlp
import numpy as np
import tensorflow as tf
from classifier import NUM_CLASSES, read_weights
from keras_nlp_weights import backbone_arrays


def classifier(weights: dict[str, np.ndarray], sizes: dict):
    """Return keras-nlp's BertTextClassifier with every weight set."""
    backbone = keras_nlp.models.BertBackbone(
        vocabulary_size=sizes["vocabulary_size"],
        num_layers=sizes["num_layers"],
        num_heads=sizes["num_heads"],
        hidden_dim=sizes["hidden_dim"],
        intermediate_dim=sizes["intermediate_dim"],
        max_sequence_length=sizes["max_sequence_length"],
        num_segments=sizes["num_segments"],
    )
    model = keras_nlp.models.BertTextClassifier(backbone, num_classes=NUM_CLASSES)
    arrays = classifier_arrays(weights, sizes)
    for variable in model.weights:
        variable.assign(arrays.pop(variable.path))
    if arrays:
        raise ValueError(f"weights not carried over: {sorted(arrays)}")
    return model


def classifier_arrays(weights: dict[str, np.ndarray], sizes: dict) -> dict[str, np.ndarray]:
    """Return the weights in the names and layouts of keras-nlp."""
    arrays = backbone_arrays(weights, sizes)
    for name in ("kernel", "bias"):
        arrays[f"logits/{name}"] = weights[f"classifier_head/{name}"]
    return arrays


def main(folder: Path, sizes: dict) -> None:
    target = folder / "keras-nlp"
    target.mkdir(exist_ok=True)
    model = classifier(read_weights(folder), sizes)
    model.export(str(target / "fp32.tflite"), format="litert", verbose=False)
    model.export(
        str(target / "dynamic.tflite"), format="litert", verbose=False, optimizations=[tf.lite.Optimize.DEFAULT]
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
