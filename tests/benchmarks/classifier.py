"""The classifier that the rows about files share: its sizes, its random weights, its inputs and its right answers.

NumPy only: it is imported in the environment of every contestant.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

# 6 layers x 384, as in MiniLM, over the vocabulary of BERT.
SIZES = {
    "vocabulary_size": 30522,
    "hidden_dim": 384,
    "num_layers": 6,
    "num_heads": 12,
    "intermediate_dim": 1536,
    "max_sequence_length": 512,
    "num_segments": 2,
    "epsilon": 1e-12,
}
NUM_CLASSES = 6
CHECK_ROWS = 4
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()-"
_SEED = 20260

_erf = np.vectorize(math.erf, otypes=[np.float64])


def sizes(**overrides: int) -> dict:
    """Return SIZES, some of them smaller for tests."""
    return {**SIZES, **overrides}


def random_weights(config: dict) -> dict[str, np.ndarray]:
    """Return float32 weights in kerastx's names and layouts: kernels (in, out), query, key and value in one.

    Norms and biases are random as well, so that weights which change places change the answer. The head is scaled so
    that its logits differ from text to text by about 1.
    """
    draw = Draw()
    weights = draw.encoder(config)
    draw.projection(weights, "classifier_head", config["hidden_dim"], NUM_CLASSES)
    probe = [reference_logits(weights, config, inputs) for inputs in check_inputs(config, 16, rows=8)]
    logits = np.concatenate(probe)
    spread = logits.std(0)
    weights["classifier_head/kernel"] = (weights["classifier_head/kernel"] / spread).astype(np.float32)
    bias = (weights["classifier_head/bias"] - logits.mean(0)) / spread
    weights["classifier_head/bias"] = bias.astype(np.float32)
    return weights


class Draw:
    """Random weights, one after the other."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(_SEED)

    def normal(self, *shape: int, scale: float = 0.02) -> np.ndarray:
        return np.clip(self._random.normal(0, scale, shape), -2 * scale, 2 * scale).astype(np.float32)

    def projection(
        self, weights: dict[str, np.ndarray], name: str, inputs: int, outputs: int, scale: float = 0.02
    ) -> None:
        weights[f"{name}/kernel"] = self.normal(inputs, outputs, scale=scale)
        weights[f"{name}/bias"] = self.normal(outputs, scale=0.05)

    def norm(self, weights: dict[str, np.ndarray], name: str, size: int) -> None:
        weights[f"{name}/gamma"] = 1 + self.normal(size, scale=0.1)
        weights[f"{name}/beta"] = self.normal(size, scale=0.1)

    def encoder(self, config: dict) -> dict[str, np.ndarray]:
        """Return the weights of encoder and pooler."""
        D, F = config["hidden_dim"], config["intermediate_dim"]
        weights = {
            "token_embedding/table": self.normal(config["vocabulary_size"], D),
            "input_embeddings/positions": self.normal(config["max_sequence_length"], D),
            "input_embeddings/segments": self.normal(config["num_segments"], D),
        }
        self.norm(weights, "input_embeddings/norm", D)
        for index in range(config["num_layers"]):
            block = f"encoder_block_{index}"
            # Wider than BERT's start of 0.02: trained kernels are, and attention is not all but uniform.
            self.projection(weights, f"{block}/attention/qkv", D, 3 * D, scale=0.06)
            self.projection(weights, f"{block}/attention/output_projection", D, D, scale=0.04)
            self.norm(weights, f"{block}/attention_norm", D)
            self.projection(weights, f"{block}/feed_forward/expansion", D, F, scale=0.04)
            self.projection(weights, f"{block}/feed_forward/contraction", F, D, scale=0.04)
            self.norm(weights, f"{block}/feed_forward_norm", D)
        self.projection(weights, "pooler/projection", D, D, scale=0.06)
        return weights


def read_weights(folder: str | Path) -> dict[str, np.ndarray]:
    """Return what the row's preparation wrote."""
    with np.load(Path(folder) / "weights.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def full_row(config: dict, length: int) -> dict[str, np.ndarray]:
    """Return one row of random tokens without padding, which is what is timed."""
    return _row(config, length, seed=length)


def check_inputs(config: dict, length: int, rows: int = CHECK_ROWS) -> list[dict[str, np.ndarray]]:
    """Return single rows whose answers are compared; every other one has two segments and padding."""
    inputs = []
    for number in range(rows):
        row = _row(config, length, seed=1000 * (number + 1) + length)
        if number % 2:
            row["segment_ids"][:, length // 2 :] = 1
            row["padding_mask"][:, length - length // 4 :] = False
        inputs.append(row)
    return inputs


def _row(config: dict, length: int, *, seed: int) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(seed).integers(0, config["vocabulary_size"], (1, length))
    return {
        "token_ids": ids.astype(np.int32),
        "segment_ids": np.zeros((1, length), np.int32),
        "padding_mask": np.ones((1, length), bool),
    }


def bert_names(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the inputs as transformers names and types them."""
    names = {"token_ids": "input_ids", "segment_ids": "token_type_ids", "padding_mask": "attention_mask"}
    return {names[name]: value.astype(np.int64) for name, value in inputs.items()}


def product_operations(config: dict, length: int, *, first_token_only: bool = False) -> float:
    """Return the floating point operations of all matrix products for one row.

    Args:
        first_token_only: whether the last block computes queries' answers for the first token alone.
    """
    D, F = config["hidden_dim"], config["intermediate_dim"]
    per_query = 2 * D * D + 4 * D * F + 4 * length * D  # output projection, feed-forward, scores and contexts
    queries = config["num_layers"] * length
    if first_token_only:
        queries -= length - 1
    return float(config["num_layers"] * length * 6 * D * D + queries * per_query + 2 * D * D)


def reference_logits(
    weights: dict[str, np.ndarray], config: dict, inputs: dict[str, np.ndarray], *, gelu: str = "exact"
) -> np.ndarray:
    """Return the logits, float64 (B, C), by the equations of BERT and nothing but NumPy.

    Args:
        gelu: "exact", or "tanh" for the approximation of it.
    """
    states = reference_states(weights, config, inputs, gelu=gelu)
    return linear(weights, "classifier_head", np.tanh(linear(weights, "pooler/projection", states[:, 0])))


def linear(weights: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    """Return xW + b in 64 bits."""
    return x @ weights[f"{name}/kernel"].astype(np.float64, copy=False) + weights[f"{name}/bias"]


def norm(weights: dict[str, np.ndarray], name: str, x: np.ndarray, epsilon: float) -> np.ndarray:
    """Return the layer norm of x."""
    centered = x - x.mean(-1, keepdims=True)
    scaled = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + epsilon)
    return scaled * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def activate(x: np.ndarray, gelu: str) -> np.ndarray:
    """Return gelu(x), "exact" or its "tanh" approximation."""
    if gelu == "exact":
        return x * 0.5 * (1 + _erf(x * math.sqrt(0.5)))
    return x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def reference_states(
    weights: dict[str, np.ndarray], config: dict, inputs: dict[str, np.ndarray], *, gelu: str = "exact"
) -> np.ndarray:
    """Return the encoder's last states, float64 (B, T, D)."""
    N = config["num_heads"]
    H = config["hidden_dim"] // N
    B, T = inputs["token_ids"].shape
    epsilon = config["epsilon"]

    def heads(x):
        return x.reshape(B, T, N, H).transpose(0, 2, 1, 3)

    states = (
        weights["token_embedding/table"][inputs["token_ids"]].astype(np.float64)
        + weights["input_embeddings/positions"][:T]
        + weights["input_embeddings/segments"][inputs["segment_ids"]]
    )
    states = norm(weights, "input_embeddings/norm", states, epsilon)
    for index in range(config["num_layers"]):
        block = f"encoder_block_{index}"
        query, key, value = (heads(x) for x in np.split(linear(weights, f"{block}/attention/qkv", states), 3, axis=-1))
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(H)
        scores = np.where(inputs["padding_mask"][:, None, None, :], scores, -np.inf)
        attention = np.exp(scores - scores.max(-1, keepdims=True))
        attention /= attention.sum(-1, keepdims=True)
        context = (attention @ value).transpose(0, 2, 1, 3).reshape(B, T, -1)
        context = linear(weights, f"{block}/attention/output_projection", context)
        states = norm(weights, f"{block}/attention_norm", states + context, epsilon)
        hidden = activate(linear(weights, f"{block}/feed_forward/expansion", states), gelu)
        hidden = linear(weights, f"{block}/feed_forward/contraction", hidden)
        states = norm(weights, f"{block}/feed_forward_norm", states + hidden, epsilon)
    return states
