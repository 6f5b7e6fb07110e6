"""How good predictions are, beside how good they would be without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np


def classification_scores(predicted: np.ndarray, expected: np.ndarray, num_classes: int) -> dict[str, float]:
    """Return accuracy, macro F1 and the share of the most frequent class.

    Args:
        predicted, expected: int (N,), class indices.
        num_classes: C; classes absent from both sides count as F1 0, as in scikit-learn with all labels given.
    """
    if len(expected) == 0:
        raise ValueError("there are no rows to score.")
    f1 = []
    for index in range(num_classes):
        hits = np.sum((predicted == index) & (expected == index))
        total = np.sum(predicted == index) + np.sum(expected == index)
        f1.append(2 * hits / total if total else 0.0)
    return {
        "accuracy": float(np.mean(predicted == expected)),
        "macro_f1": float(np.mean(f1)),
        "majority_share": majority_share(expected.tolist()),
    }


def majority_share(labels: Sequence) -> float:
    """Return the share of the most frequent label: the accuracy of always answering it."""
    return max(Counter(labels).values()) / len(labels)
