"""The pretraining step that is compared: its sizes, random weights, batch, right answers and work. NumPy only."""

from __future__ import annotations

import numpy as np
from classifier import Draw, activate, linear, norm, reference_states

SIZES = {
    "vocabulary_size": 30522,
    "hidden_dim": 256,
    "num_layers": 4,
    "num_heads": 4,
    "intermediate_dim": 1024,
    "max_sequence_length": 512,
    "num_segments": 2,
    "epsilon": 1e-12,
}
BATCH_SIZE, LENGTH, PREDICTIONS = 32, 128, 20
CHECK_ROWS = 4
LEARNING_RATE = 1e-4
CLIP_NORM = 1.0
DROPOUT_RATE = 0.1


def random_weights(config: dict) -> dict[str, np.ndarray]:
    """Return float32 weights of encoder, masked-LM head and next-sentence head, in kerastx's names and layouts."""
    draw, size = Draw(), config["hidden_dim"]
    weights = draw.encoder(config)
    draw.projection(weights, "masked_lm_head/transform", size, size, scale=0.06)
    draw.norm(weights, "masked_lm_head/norm", size)
    weights["masked_lm_head/bias"] = draw.normal(config["vocabulary_size"], scale=0.5)
    draw.projection(weights, "next_sentence_head", size, 2, scale=0.1)
    return weights


def batch(config: dict, rows: int = BATCH_SIZE) -> dict[str, np.ndarray]:
    """Return a batch: int32, padding_mask bool. Every fourth row has padding behind it."""
    random = np.random.default_rng(7)
    shape = (rows, LENGTH)
    padding_mask = np.ones(shape, bool)
    padding_mask[::4, 3 * LENGTH // 4 :] = False
    segment_ids = np.zeros(shape, np.int32)
    segment_ids[:, LENGTH // 2 :] = 1
    positions = [np.sort(random.permutation(3 * LENGTH // 4)[:PREDICTIONS]) for _ in range(rows)]
    return {
        "token_ids": random.integers(0, config["vocabulary_size"], shape).astype(np.int32),
        "segment_ids": segment_ids * padding_mask,
        "padding_mask": padding_mask,
        "masked_positions": np.stack(positions).astype(np.int32),
        "masked_labels": random.integers(0, config["vocabulary_size"], (rows, PREDICTIONS)).astype(np.int32),
        "nsp_labels": random.integers(0, 2, rows).astype(np.int32),
    }


def reference(weights: dict[str, np.ndarray], config: dict, *, gelu: str) -> list[float]:
    """Return both losses of the first rows without dropout, then the next-sentence logits."""
    rows = batch(config, CHECK_ROWS)
    states = reference_states(weights, config, rows, gelu=gelu)
    hidden = np.take_along_axis(states, rows["masked_positions"][..., None], axis=1)
    hidden = activate(linear(weights, "masked_lm_head/transform", hidden), gelu)
    hidden = norm(weights, "masked_lm_head/norm", hidden, config["epsilon"])
    masked_lm = hidden @ weights["token_embedding/table"].T.astype(np.float64) + weights["masked_lm_head/bias"]
    pooled = np.tanh(linear(weights, "pooler/projection", states[:, 0]))
    next_sentence = linear(weights, "next_sentence_head", pooled)
    return answer(
        cross_entropy(masked_lm, rows["masked_labels"]), cross_entropy(next_sentence, rows["nsp_labels"]), next_sentence
    )


def answer(masked_lm_loss, next_sentence_loss, next_sentence_logits) -> list[float]:
    """Return what is compared."""
    return [
        float(masked_lm_loss),
        float(next_sentence_loss),
        *np.asarray(next_sentence_logits, np.float64).ravel().tolist(),
    ]


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -log softmax(logits)[label]."""
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(-1, keepdims=True)
    of_label = np.take_along_axis(shifted, labels[..., None].astype(np.int64), -1)[..., 0]
    return float((np.log(np.exp(shifted).sum(-1)) - of_label).mean())


def product_operations(config: dict, *, queries: int = LENGTH, projected: int = PREDICTIONS) -> float:
    """Return the floating point operations of the matrix products of one step, forward and twice that backward.

    Args:
        queries: positions of a row that the last block answers for; keys and values are those of all.
        projected: positions of a row that are projected onto the vocabulary.
    """
    D, F, V = config["hidden_dim"], config["intermediate_dim"], config["vocabulary_size"]
    tokens = BATCH_SIZE * LENGTH

    def block(answered: int) -> int:
        keys_and_values = 2 * tokens * 2 * D * D
        return keys_and_values + 2 * answered * (2 * D * D + 2 * D * F) + 4 * answered * LENGTH * D

    blocks = (config["num_layers"] - 1) * block(tokens) + block(BATCH_SIZE * queries)
    heads = 2 * BATCH_SIZE * projected * (D * D + D * V) + 2 * BATCH_SIZE * D * D
    return 3.0 * (blocks + heads)


# Of a feed-forward product of the step.
ROWS, INNER, COLUMNS = BATCH_SIZE * LENGTH, 256, 1024
OPERATIONS = 2.0 * ROWS * INNER * COLUMNS


def factors() -> tuple[np.ndarray, np.ndarray]:
    """Return float32 (4096, 256) and (256, 1024)."""
    random = np.random.default_rng(0)
    return (
        random.normal(size=(ROWS, INNER)).astype(np.float32),
        random.normal(size=(INNER, COLUMNS)).astype(np.float32),
    )
