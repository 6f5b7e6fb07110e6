"""The shared weights for keras-nlp. NumPy only."""

from __future__ import annotations

import numpy as np


def backbone_arrays(weights: dict[str, np.ndarray], sizes: dict) -> dict[str, np.ndarray]:
    """Return the weights in the names and layouts of keras-nlp's BertBackbone: heads have axes of their own."""
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
    return arrays
