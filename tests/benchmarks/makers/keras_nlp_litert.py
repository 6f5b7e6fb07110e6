"""Write keras-nlp's BERT of the shared weights by `model.export(format="litert")`: FOLDER SIZES."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras_nlp
import numpy as np
import tensorflow as tf
from classifier import NUM_CLASSES, read_weights


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
    arrays = keras_nlp_arrays(weights, sizes)
    for variable in model.weights:
        variable.assign(arrays.pop(variable.path))
    if arrays:
        raise ValueError(f"weights not carried over: {sorted(arrays)}")
    return model


def keras_nlp_arrays(weights: dict[str, np.ndarray], sizes: dict) -> dict[str, np.ndarray]:
    """Return the weights in the names and layouts of keras-nlp: heads have axes of their own."""
    D, N = sizes["hidden_dim"], sizes["num_heads"]
    H = D // N
    arrays = {
        "token_embedding/embeddings": weights["token_embedding/table"],
        "position_embedding/embeddings": weights["input_embeddings/positions"],
        "segment_embedding/embeddings": weights["input_embeddings/segments"],
    }

    def copy(target: str, source: str, *names: str) -> None:
        for name in names:
            arrays[f"{target}/{name}"] = weights[f"{source}/{name}"]

    copy("embeddings_layer_norm", "input_embeddings/norm", "gamma", "beta")
    for index in range(sizes["num_layers"]):
        ours, theirs = f"encoder_block_{index}", f"transformer_layer_{index}"
        kernels = np.split(weights[f"{ours}/attention/qkv/kernel"], 3, axis=1)
        biases = np.split(weights[f"{ours}/attention/qkv/bias"], 3)
        for name, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
            arrays[f"{theirs}/self_attention_layer/{name}/kernel"] = kernel.reshape(D, N, H)
            arrays[f"{theirs}/self_attention_layer/{name}/bias"] = bias.reshape(N, H)
        output = f"{theirs}/self_attention_layer/attention_output"
        copy(output, f"{ours}/attention/output_projection", "kernel", "bias")
        arrays[f"{output}/kernel"] = arrays[f"{output}/kernel"].reshape(N, H, D)
        copy(f"{theirs}/feedforward_intermediate_dense", f"{ours}/feed_forward/expansion", "kernel", "bias")
        copy(f"{theirs}/feedforward_output_dense", f"{ours}/feed_forward/contraction", "kernel", "bias")
        copy(f"{theirs}/self_attention_layer_norm", f"{ours}/attention_norm", "gamma", "beta")
        copy(f"{theirs}/feedforward_layer_norm", f"{ours}/feed_forward_norm", "gamma", "beta")
    copy("pooled_dense", "pooler/projection", "kernel", "bias")
    copy("logits", "classifier_head", "kernel", "bias")
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
