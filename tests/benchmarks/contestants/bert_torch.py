"""The shared weights in transformers' BertForSequenceClassification."""

from __future__ import annotations

import numpy as np
import torch
from classifier import NUM_CLASSES, read_weights
from transformers import BertConfig, BertForSequenceClassification


def bert_classifier(folder: str, sizes: dict) -> BertForSequenceClassification:
    """Return it in eval mode; every parameter is set, or this is an error."""
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=sizes["vocabulary_size"],
            hidden_size=sizes["hidden_dim"],
            num_hidden_layers=sizes["num_layers"],
            num_attention_heads=sizes["num_heads"],
            intermediate_size=sizes["intermediate_dim"],
            max_position_embeddings=sizes["max_sequence_length"],
            type_vocab_size=sizes["num_segments"],
            layer_norm_eps=sizes["epsilon"],
            hidden_act="gelu",
            num_labels=NUM_CLASSES,
        )
    )
    weights = read_weights(folder)
    arrays = encoder_arrays(weights, sizes)
    arrays["classifier.weight"], arrays["classifier.bias"] = (
        weights["classifier_head/kernel"].T,
        weights["classifier_head/bias"],
    )
    return load_arrays(model, arrays).eval()


def load_arrays(model: torch.nn.Module, arrays: dict[str, np.ndarray]) -> torch.nn.Module:
    """Set every parameter of `model`; ValueError for one that is forgotten or unknown."""
    state = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    found = model.load_state_dict(state, strict=False)
    forgotten = [name for name in found.missing_keys if name in dict(model.named_parameters())]
    if forgotten or found.unexpected_keys:
        raise ValueError(f"weights not carried over: {forgotten} {found.unexpected_keys}")
    return model


def encoder_arrays(weights: dict[str, np.ndarray], sizes: dict) -> dict[str, np.ndarray]:
    """Return the weights of encoder and pooler in the names and layouts of transformers."""
    arrays = {
        "bert.embeddings.word_embeddings.weight": weights["token_embedding/table"],
        "bert.embeddings.position_embeddings.weight": weights["input_embeddings/positions"],
        "bert.embeddings.token_type_embeddings.weight": weights["input_embeddings/segments"],
    }

    def norm(target: str, source: str) -> None:
        arrays[f"{target}.weight"], arrays[f"{target}.bias"] = weights[f"{source}/gamma"], weights[f"{source}/beta"]

    def linear(target: str, kernel: np.ndarray, bias: np.ndarray) -> None:
        arrays[f"{target}.weight"], arrays[f"{target}.bias"] = kernel.T, bias

    norm("bert.embeddings.LayerNorm", "input_embeddings/norm")
    for index in range(sizes["num_layers"]):
        ours, theirs = f"encoder_block_{index}", f"bert.encoder.layer.{index}"
        kernels = np.split(weights[f"{ours}/attention/qkv/kernel"], 3, axis=1)
        biases = np.split(weights[f"{ours}/attention/qkv/bias"], 3)
        for name, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
            linear(f"{theirs}.attention.self.{name}", kernel, bias)
        for target, source in (
            (f"{theirs}.attention.output.dense", f"{ours}/attention/output_projection"),
            (f"{theirs}.intermediate.dense", f"{ours}/feed_forward/expansion"),
            (f"{theirs}.output.dense", f"{ours}/feed_forward/contraction"),
        ):
            linear(target, weights[f"{source}/kernel"], weights[f"{source}/bias"])
        norm(f"{theirs}.attention.output.LayerNorm", f"{ours}/attention_norm")
        norm(f"{theirs}.output.LayerNorm", f"{ours}/feed_forward_norm")
    linear("bert.pooler.dense", weights["pooler/projection/kernel"], weights["pooler/projection/bias"])
    return arrays
