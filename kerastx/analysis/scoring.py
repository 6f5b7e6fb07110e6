"""How good answers are, beside how good they would be without a model.

In NumPy alone, and equal to scikit-learn and SciPy: an exported file is scored where neither need be installed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from kerastx.data.labelled import LabelledData

MAIN_METRIC = {
    "classification": "accuracy",
    "multi_label": "micro_f1",
    "regression": "spearman",
    "embedding": "spearman",
}
_BLOCK = 1024  # rows whose similarity to all others is held at once
THRESHOLD = 0.5  # the probability from which on a label of "multi_label" is given


def task_scores(task: str, predicted: Mapping[str, np.ndarray], data: LabelledData) -> dict[str, float]:
    """Return the scores of a task by name; higher is better but for the two errors of "regression".

    No score is NaN: F1 is 0 for a label that is neither given nor right, a correlation with a constant is 0.

    Args:
        task: "classification": accuracy, macro_f1, majority_share, and for two labels f1 (of the second one) and mcc.
            "multi_label", a label being given from a probability of 0.5 on: micro_f1, macro_f1, exact_match.
            "regression": spearman, pearson, mean_absolute_error, rmse.
            "embedding", rows being rated pairs: spearman and pearson of the cosines; rows being "positives":
            recall_at_1, the share of first texts that are nearest to a second one they belong to among all, and
            mean_reciprocal_rank of the first such.
        predicted: what a model of the task answers to the rows: "probabilities", float, (N, C), in the order of
            `data.label_names`, for "regression" "score", float, (N, 1), for "embedding" "vector", float, (2N, D), of
            the first texts and then of the second ones.
        data: the rows.

    Raises:
        ValueError: there are no rows, they are for another task, or the answers have another name or shape.
    """
    if task not in MAIN_METRIC:
        raise ValueError(f"task must be one of {', '.join(MAIN_METRIC)}, got {task!r}.")
    if task == "embedding":
        return _cosine_scores(predicted, data)
    if data.task != task:
        raise ValueError(f"expected rows for {task}, got rows for {data.task}.")
    if len(data) == 0:
        raise ValueError("there are no rows to score.")
    name, width = ("score", 1) if task == "regression" else ("probabilities", len(data.label_names))
    if name not in predicted:
        raise ValueError(f"expected {name!r} among the answers, got {', '.join(predicted) or 'none'}.")
    answers = np.asarray(predicted[name])
    if answers.shape != (len(data), width):
        raise ValueError(f"{name} must have the shape {(len(data), width)}, got {answers.shape}.")
    if not np.isfinite(answers).all():
        raise ValueError(f"{name} must be finite, got {answers[~np.isfinite(answers)][0]}.")
    if task == "regression":
        return regression_scores(answers[:, 0], data.targets[:, 0])
    if task == "multi_label":
        return multi_label_scores(answers >= THRESHOLD, data.targets > 0)
    return _class_scores(answers.argmax(-1), data.targets, width)


def _cosine_scores(predicted: Mapping[str, np.ndarray], data: LabelledData) -> dict[str, float]:
    if data.task not in ("regression", "positives") or data.pairs is None or len(data) == 0:
        raise ValueError(f"expected rated pairs or texts that belong together, got {len(data)} rows for {data.task}.")
    vectors = np.asarray(predicted["vector"])
    if vectors.ndim != 2 or len(vectors) != 2 * len(data) or not np.isfinite(vectors).all():
        raise ValueError(f"vector must be finite and of the shape (2 * {len(data)}, D), got {vectors.shape}.")
    if data.task == "positives":
        return retrieval_scores(vectors, data.texts, data.pairs)
    scores = regression_scores(cosines(vectors), data.targets[:, 0])
    return {name: scores[name] for name in ("spearman", "pearson")}


def retrieval_scores(vectors: np.ndarray, texts: Sequence[str], pairs: Sequence[str]) -> dict[str, float]:
    """Return the share of `retrieval_ranks` that are 1, and the mean of their reciprocals."""
    rank = retrieval_ranks(vectors, texts, pairs)
    return {"recall_at_1": float(np.mean(rank == 1)), "mean_reciprocal_rank": float(np.mean(1 / rank))}


def retrieval_ranks(vectors: np.ndarray, texts: Sequence[str], pairs: Sequence[str]) -> np.ndarray:
    """Return at which place each first text finds one that it stands beside, among the second texts of all rows.

    A second text that is as near as the right one stands before it: who answers the same to everything finds nothing.

    Args:
        vectors: unit length, float (2N, D), of the first texts and then of the second ones.
        texts, pairs: N first and second texts.

    Returns:
        int (N,), 1 = the nearest.
    """
    beside: dict[str, set[str]] = {text: set() for text in texts}
    for text, pair in zip(texts, pairs, strict=True):
        beside[text].add(pair)
    seconds = {pair: vectors[len(texts) + row] for row, pair in enumerate(pairs)}
    columns = {pair: column for column, pair in enumerate(seconds)}
    matrix = np.stack(list(seconds.values()))
    ranks = []
    for start in range(0, len(texts), _BLOCK):
        rows = range(start, min(start + _BLOCK, len(texts)))
        cosine = vectors[rows.start : rows.stop] @ matrix.T
        right = np.zeros(cosine.shape, bool)
        for place, row in enumerate(rows):
            right[place, [columns[pair] for pair in beside[texts[row]]]] = True
        best = np.where(right, cosine, -np.inf).max(axis=1, keepdims=True)
        ranks.append(1 + ((cosine >= best) & ~right).sum(axis=1))
    return np.concatenate(ranks)


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Return the cosine of each vector of the first half with that of the second: float (2N, D) -> float (N,)."""
    one, other = np.split(vectors.astype(np.float64), 2)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(axis=1) / np.maximum(lengths, 1e-12)


def classification_scores(predicted: np.ndarray, expected: np.ndarray, num_classes: int) -> dict[str, float]:
    """Return accuracy, macro F1 and the share of the most frequent class.

    Args:
        predicted, expected: int (N,), class indices.
        num_classes: C; classes absent from both sides count as F1 0, as in scikit-learn with all labels given.
    """
    if len(expected) == 0:
        raise ValueError("there are no rows to score.")
    classes = np.arange(num_classes)
    return {
        "accuracy": float(np.mean(predicted == expected)),
        "macro_f1": float(_f1(predicted[:, None] == classes, expected[:, None] == classes).mean()),
        "majority_share": majority_share(expected.tolist()),
    }


def multi_label_scores(predicted: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """Return micro F1 and macro F1 over the labels, and the share of rows with exactly the right ones.

    Args:
        predicted, expected: bool, (N, C), True where a row has the label.
    """
    return {
        "micro_f1": float(_f1(predicted.reshape(-1, 1), expected.reshape(-1, 1))[0]),
        "macro_f1": float(_f1(predicted, expected).mean()),
        "exact_match": float(np.mean((predicted == expected).all(1))),
    }


def regression_scores(predicted: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """Return the correlations of ranks and of values, 0 where either side is constant, and the mean errors.

    Args:
        predicted, expected: float, (N,), finite.
    """
    one, other = predicted.astype(np.float64), expected.astype(np.float64)
    return {
        "spearman": _correlation(_ranks(one), _ranks(other)),
        "pearson": _correlation(one, other),
        "mean_absolute_error": float(np.abs(one - other).mean()),
        "rmse": float(np.sqrt(np.square(one - other).mean())),
    }


def majority_share(labels: Sequence) -> float:
    """Return the share of the most frequent label: the accuracy of always answering it."""
    return max(Counter(labels).values()) / len(labels)


def _class_scores(predicted: np.ndarray, expected: np.ndarray, num_classes: int) -> dict[str, float]:
    scores = classification_scores(predicted, expected, num_classes)
    if num_classes == 2:
        scores["f1"] = float(_f1(predicted[:, None] == 1, expected[:, None] == 1)[0])
        # Of two values each, the correlation is Matthews' coefficient.
        scores["mcc"] = _correlation(predicted.astype(np.float64), expected.astype(np.float64))
    return scores


def _f1(predicted: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return F1 of each column, (C,), 0 where nothing is given or right: bool (N, C), bool (N, C)."""
    hits = (predicted & expected).sum(0)
    total = predicted.sum(0) + expected.sum(0)
    return 2 * hits / np.maximum(total, 1)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    one, other = one - one.mean(), other - other.mean()
    # Each has length 1 before they are multiplied: the product of their squares may leave the range of a float.
    return float(np.clip((one / np.linalg.norm(one)) @ (other / np.linalg.norm(other)), -1.0, 1.0))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value, counted from 1; equal values share their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[places]
