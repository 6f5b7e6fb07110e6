"""The language model that the row about generating shares: its sizes, random weights, prompts and right answers.

NumPy only: it is imported in the environment of every contestant. The model is GPT-2's: learned positions, norms before
attention and feed-forward network, the tanh approximation of gelu, logits from the table of the embeddings.
"""

from __future__ import annotations

import math

import numpy as np
from classifier import Draw, activate, linear, norm

SIZES = {
    "vocabulary_size": 32000,
    "hidden_dim": 512,
    "num_layers": 6,
    "num_heads": 8,
    "intermediate_dim": 2048,
    "max_sequence_length": 256,
    "epsilon": 1e-5,
}
PROMPT, NEW_TOKENS = 32, 100
BEAMS = 4
CHECK_ROWS = 2
# A token's logits, whose matrix product takes the largest part of its time: reading the table.
FACTOR_OPERATIONS = 2.0 * SIZES["hidden_dim"] * SIZES["vocabulary_size"]


def random_weights(config: dict) -> dict[str, np.ndarray]:
    """Return float32 weights in kerastx's names and layouts, norms and biases random as well.

    Blocks say more than the embeddings, whatever the sizes: else a tied table finds the token that was just read.
    """
    draw = Draw()
    D, F = config["hidden_dim"], config["intermediate_dim"]
    weights = {
        "token_embedding/table": draw.normal(config["vocabulary_size"], D),
        "decoder_embeddings/positions": draw.normal(config["max_sequence_length"], D),
    }
    for index in range(config["num_layers"]):
        block = f"decoder_block_{index}"
        draw.norm(weights, f"{block}/attention_norm", D)
        draw.projection(weights, f"{block}/attention/qkv", D, 3 * D, scale=1.4 / D**0.5)
        draw.projection(weights, f"{block}/attention/output_projection", D, D, scale=0.9 / D**0.5)
        draw.norm(weights, f"{block}/feed_forward_norm", D)
        draw.projection(weights, f"{block}/feed_forward/expansion", D, F, scale=0.9 / D**0.5)
        draw.projection(weights, f"{block}/feed_forward/contraction", F, D, scale=1.8 / F**0.5)
    draw.norm(weights, "decoder_norm", D)
    return weights


def prompts(config: dict, length: int = PROMPT, rows: int = CHECK_ROWS) -> list[np.ndarray]:
    """Return random prompts, int32 (length,); the first one is timed."""
    random = np.random.default_rng(length)
    return [random.integers(0, config["vocabulary_size"], length).astype(np.int32) for _ in range(rows)]


def piece(token: int) -> str:
    """Return the name of a token, where a library wants names."""
    return f"piece{token}"


def beginnings(config: dict, rows: int = 16) -> list[np.ndarray]:
    """Return the beginnings of random texts behind which logits are compared, each longer than the one before."""
    (text, *_) = prompts(config, PROMPT + 6 * rows)
    return [text[: PROMPT + 6 * row] for row in range(rows)]


def some(logits: np.ndarray) -> list:
    """Return every 16th of some rows of logits, float (R, V), as nested lists, each row without its mean."""
    return (logits - logits.mean(axis=1, keepdims=True))[:, ::16].tolist()


def factors() -> tuple[np.ndarray, np.ndarray]:
    """Return float32 (1, 512) and (512, 32000)."""
    random = np.random.default_rng(0)
    shapes = (1, SIZES["hidden_dim"]), (SIZES["hidden_dim"], SIZES["vocabulary_size"])
    left, right = (random.normal(size=shape).astype(np.float32) for shape in shapes)
    return left, right


def product_operations(config: dict, length: int = PROMPT, new_tokens: int = NEW_TOKENS) -> float:
    """Return the floating point operations of the matrix products for one text, each token computed once."""
    D, F = config["hidden_dim"], config["intermediate_dim"]
    tokens = length + new_tokens - 1  # nobody reads the last one
    attended = tokens * (tokens + 1) / 2
    per_layer = tokens * (8 * D * D + 4 * D * F) + attended * 4 * D
    return float(config["num_layers"] * per_layer + new_tokens * 2 * D * config["vocabulary_size"])


def reference(weights: dict[str, np.ndarray], config: dict, prompt: np.ndarray, new_tokens: int) -> list[int]:
    """Return the most probable token at each step, by the equations in 64 bits."""
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    tokens = prompt.tolist()
    caches: list[list[np.ndarray]] = [[] for _ in range(config["num_layers"])]
    states = _states(weights, config, tokens, 0, caches)
    written: list[int] = []
    while True:
        logits = states[-1] @ weights["token_embedding/table"].T
        written.append(int(logits.argmax()))
        if len(written) == new_tokens:
            return written
        states = _states(weights, config, written[-1:], len(prompt) + len(written) - 1, caches)


def next_logits(weights: dict[str, np.ndarray], config: dict, tokens: np.ndarray) -> np.ndarray:
    """Return the logits of what follows some tokens, float64 (V,)."""
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    caches: list[list[np.ndarray]] = [[] for _ in range(config["num_layers"])]
    return _states(weights, config, tokens.tolist(), 0, caches)[-1] @ weights["token_embedding/table"].T


def _states(weights: dict, config: dict, tokens: list[int], first: int, caches: list[list[np.ndarray]]) -> np.ndarray:
    """Return the last states of some tokens, float64 (T, D), the first of which stands at `first`; caches grow."""
    epsilon = config["epsilon"]
    states = weights["token_embedding/table"][tokens]
    states = states + weights["decoder_embeddings/positions"][first : first + len(tokens)]
    for index, cache in enumerate(caches):
        block = f"decoder_block_{index}"
        x = norm(weights, f"{block}/attention_norm", states, epsilon)
        states = states + _attention(weights, config, f"{block}/attention", x, first, cache)
        x = norm(weights, f"{block}/feed_forward_norm", states, epsilon)
        hidden = activate(linear(weights, f"{block}/feed_forward/expansion", x), "tanh")
        states = states + linear(weights, f"{block}/feed_forward/contraction", hidden)
    return norm(weights, "decoder_norm", states, epsilon)


def _attention(
    weights: dict, config: dict, name: str, x: np.ndarray, first: int, cache: list[np.ndarray]
) -> np.ndarray:
    N, T = config["num_heads"], len(x)
    H = config["hidden_dim"] // N
    query, *new = (
        part.reshape(T, N, H).transpose(1, 0, 2) for part in np.split(linear(weights, f"{name}/qkv", x), 3, axis=-1)
    )
    cache[:] = [np.concatenate(pair, axis=1) for pair in zip(cache, new, strict=True)] if cache else new
    keys, values = cache
    scores = query @ keys.transpose(0, 2, 1) / math.sqrt(H)
    is_later = np.arange(keys.shape[1])[None, :] > first + np.arange(T)[:, None]
    scores = np.where(is_later, -np.inf, scores)
    attention = np.exp(scores - scores.max(-1, keepdims=True))
    attention /= attention.sum(-1, keepdims=True)
    return linear(weights, f"{name}/output_projection", (attention @ values).transpose(1, 0, 2).reshape(T, -1))
