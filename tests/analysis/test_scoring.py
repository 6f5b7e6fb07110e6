"""Scores equal scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from kerastx.analysis.scoring import classification_scores, majority_share


def test_scores_equal_scikit_learn():
    rng = np.random.default_rng(0)
    expected, predicted = rng.integers(0, 4, 200), rng.integers(0, 5, 200)
    scores = classification_scores(predicted, expected, 6)
    assert scores["accuracy"] == pytest.approx(accuracy_score(expected, predicted))
    f1 = f1_score(expected, predicted, labels=range(6), average="macro", zero_division=0)
    assert scores["macro_f1"] == pytest.approx(f1)
    assert scores["majority_share"] == pytest.approx(np.bincount(expected).max() / 200)


def test_majority_share():
    assert majority_share(["a", "b", "a", "c"]) == 0.5
    with pytest.raises(ValueError, match="no rows to score"):
        classification_scores(np.array([]), np.array([]), 2)
