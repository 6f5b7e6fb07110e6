"""What a user gets of the outputs of a model."""

from __future__ import annotations

import numpy as np
import pytest

from kerastx.runtime.results import OUTPUTS, WINDOWED_TASKS, Classification, MultiLabel, Regression, answers

PROBABILITIES = np.array([[0.25, 0.75, 0.5], [0.25, 0.125, 0.375]], np.float32)


def test_a_classification_has_the_most_probable_label_and_all_in_order():
    first, second = answers("classification", ("a", "b", "c"), {"probabilities": PROBABILITIES})
    assert first == Classification("b", 0.75, {"b": 0.75, "c": 0.5, "a": 0.25})
    assert list(first.probabilities) == ["b", "c", "a"]
    assert second == Classification("c", 0.375, {"c": 0.375, "a": 0.25, "b": 0.125})


def test_any_labels_are_those_that_are_at_least_half_probable():
    first, second = answers("multi_label", ("a", "b", "c"), {"probabilities": PROBABILITIES})
    assert first == MultiLabel(("b", "c"), {"b": 0.75, "c": 0.5, "a": 0.25})
    assert (second.labels, list(second.probabilities)) == ((), ["c", "a", "b"])


def test_a_score_is_a_number_and_a_vector_a_row():
    assert answers("regression", (), {"score": np.array([[1.5], [-2.0]], np.float32)}) == [
        Regression(1.5),
        Regression(-2.0),
    ]
    first, second = answers("embedding", (), {"vector": np.eye(2)})
    assert first.dtype == second.dtype == np.float32
    assert (first.tolist(), second.tolist()) == ([1.0, 0.0], [0.0, 1.0])


@pytest.mark.parametrize(("task", "names"), [item for item in OUTPUTS.items() if item[0] not in WINDOWED_TASKS])
def test_no_rows_give_no_answers(task, names):
    assert answers(task, ("a", "b"), dict.fromkeys(names, np.zeros((0, 2), np.float32))) == []


def test_another_task_is_refused():
    with pytest.raises(ValueError, match=r"^task must be one of classification, .*, embedding, got 'tagging'\.$"):
        answers("tagging", (), {})
