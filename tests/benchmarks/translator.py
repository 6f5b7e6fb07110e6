"""The encoder-decoder that the row about translating shares: sizes, random weights, a source.

NumPy only: it is imported in the environment of every contestant. The model is the Transformer of Vaswani et al., 2017:
norms behind each part, sinusoidal positions, ReLU, one table for both languages and the logits.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from classifier import Draw

SIZES = {
    "vocabulary_size": 32000,
    "hidden_dim": 512,
    "num_layers": 4,
    "num_heads": 8,
    "intermediate_dim": 2048,
    "max_sequence_length": 256,
    "epsilon": 1e-6,
}
SOURCE, NEW_TOKENS = 32, 60


def random_weights(config: dict) -> dict[str, np.ndarray]:
    """Return float32 weights in kerastx's names and layouts, norms and biases random as well."""
    draw = Draw()
    D, F = config["hidden_dim"], config["intermediate_dim"]
    weights = {"token_embedding/table": draw.normal(config["vocabulary_size"], D, scale=D**-0.5)}
    for side in ("encoder", "decoder"):
        for index in range(config["num_layers"]):
            block = f"{side}_block_{index}"
            draw.projection(weights, f"{block}/attention/qkv", D, 3 * D, scale=1.4 / D**0.5)
            draw.projection(weights, f"{block}/attention/output_projection", D, D, scale=0.9 / D**0.5)
            draw.norm(weights, f"{block}/attention_norm", D)
            draw.projection(weights, f"{block}/feed_forward/expansion", D, F, scale=1.4 / D**0.5)
            draw.projection(weights, f"{block}/feed_forward/contraction", F, D, scale=1.8 / F**0.5)
            draw.norm(weights, f"{block}/feed_forward_norm", D)
            if side == "decoder":
                draw.projection(weights, f"{block}/cross_attention/query", D, D, scale=1.4 / D**0.5)
                draw.projection(weights, f"{block}/cross_attention/key_value", D, 2 * D, scale=1.4 / D**0.5)
                draw.projection(weights, f"{block}/cross_attention/output_projection", D, D, scale=0.9 / D**0.5)
                draw.norm(weights, f"{block}/cross_attention_norm", D)
    return weights


def source(config: dict) -> np.ndarray:
    """Return random tokens, int32 (32,)."""
    return np.random.default_rng(SOURCE).integers(0, config["vocabulary_size"], SOURCE).astype(np.int32)


def read(folder: str | Path) -> dict[str, list]:
    """Return what Keras says: of the cases "greedy" and "beams" its tokens, and the log-probabilities of the former."""
    return json.loads((Path(folder) / "keras.json").read_text(encoding="utf-8"))
