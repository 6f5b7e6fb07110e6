"""What a model of each task answers: the outputs of its graph, and what a user gets of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Task -> the outputs of its graph, float32: logits and probabilities (B, C), score (B, 1), vector (B, D); of a tagging
# probabilities (B, T, C), see `kerastx.runtime.entities`; of questions null_score (B, 1), scores (B, K) and, int32,
# starts and ends (B, K), see `kerastx.runtime.answers`.
OUTPUTS = {
    "classification": ("logits", "probabilities"),
    "multi_label": ("logits", "probabilities"),
    "regression": ("score",),
    "embedding": ("vector",),
    "tagging": ("probabilities",),
    "span": ("ends", "null_score", "scores", "starts"),  # sorted, as tf2onnx writes them
}
INTEGER_OUTPUTS = ("starts", "ends")
# What a graph that reads text answers besides: the bytes text[begin:end] of each token (B, T) of a tagging, or of each
# span (B, K), int32; and whether something was left out at the end of a text, bool (B, 1).
BYTE_OUTPUTS = ("begin_bytes", "end_bytes")
CUT = "is_cut"
# Tasks that have no outputs for whole texts: their windows are put together first.
WINDOWED_TASKS = ("tagging", "span")
LABEL_TASKS = ("classification", "multi_label")
# A text has every label that is at least this probable.
THRESHOLD = 0.5


@dataclass(frozen=True)
class Classification:
    """The most probable label of a text.

    Attributes:
        label: its name.
        probability: its probability.
        probabilities: label -> probability, most probable first; they sum to 1.
    """

    label: str
    probability: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class MultiLabel:
    """The labels of a text, each decided by itself.

    Attributes:
        labels: those with a probability of at least `THRESHOLD`, most probable first; there may be none.
        probabilities: label -> probability, most probable first.
    """

    labels: tuple[str, ...]
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Regression:
    """The number that a text gets."""

    score: float


Result = Classification | MultiLabel | Regression | np.ndarray


def answers(task: str, labels: Sequence[str], outputs: dict[str, np.ndarray]) -> list[Result]:
    """Return what a user gets for each row of a model's outputs.

    Args:
        task: a key of `OUTPUTS`, but for `WINDOWED_TASKS`.
        labels: names of the C classes; not looked at where the task has none.
        outputs: by name: probabilities float (B, C), score float (B, 1) or vector float (B, D).

    Returns:
        A `Classification`, `MultiLabel` or `Regression` a row; for "embedding" the vector, float32 (D,).

    Raises:
        ValueError: the task is not known.
    """
    if task == "classification":
        return [_classification(row) for row in _ranked(labels, outputs["probabilities"])]
    if task == "multi_label":
        return [_multi_label(row) for row in _ranked(labels, outputs["probabilities"])]
    if task == "regression":
        return [Regression(float(row[0])) for row in outputs["score"]]
    if task == "embedding":
        return [np.array(row, np.float32) for row in outputs["vector"]]
    known = ", ".join(name for name in OUTPUTS if name not in WINDOWED_TASKS)
    raise ValueError(f"task must be one of {known}, got {task!r}.")


def _ranked(labels: Sequence[str], probabilities: np.ndarray) -> list[dict[str, float]]:
    orders = np.argsort(-probabilities, axis=1, kind="stable")
    return [
        {labels[index]: float(row[index]) for index in order} for row, order in zip(probabilities, orders, strict=True)
    ]


def _classification(ranked: dict[str, float]) -> Classification:
    label, probability = next(iter(ranked.items()))
    return Classification(label=label, probability=probability, probabilities=ranked)


def _multi_label(ranked: dict[str, float]) -> MultiLabel:
    return MultiLabel(tuple(label for label, value in ranked.items() if value >= THRESHOLD), ranked)
