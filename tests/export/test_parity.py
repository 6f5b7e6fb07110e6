"""The largest differences between a file and Keras."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from kerastx_export.comparison import Probe
from kerastx_export.parity import Difference, largest_differences


class Engine:
    """Answers what it was given for each number of rows."""

    def __init__(self, answers):
        self.answers = answers

    def run(self, inputs):
        logits, probabilities = self.answers[inputs["rows"]]
        return {"logits": np.asarray(logits), "probabilities": np.asarray(probabilities)}


def compare(answers, expected) -> list[Difference]:
    steps = [
        (
            Probe(f"step {rows}", {"rows": rows}),
            {"logits": np.asarray(logits), "probabilities": np.asarray(probabilities)},
        )
        for rows, (logits, probabilities) in expected.items()
    ]
    return largest_differences(Engine(answers), SimpleNamespace(steps=steps))


def test_largest_differences_are_told_for_each_output_with_their_step():
    expected = {1: ([[1.0, 2.0]], [[0.3, 0.7]]), 2: ([[0.0, 0.0]], [[0.5, 0.5]])}
    answers = {1: ([[1.0, 1.5]], [[0.3, 0.7]]), 2: ([[0.25, 0.0]], [[0.25, 0.75]])}
    assert compare(answers, expected) == [
        Difference("logits", 0.5, "step 1"),
        Difference("probabilities", 0.25, "step 2"),
    ]


@pytest.mark.parametrize("wrong", [[[np.nan, 1.0]], [[np.inf, 1.0]], [[1.0]], [[1.0, 1.0], [1.0, 1.0]]])
def test_what_is_no_number_or_of_another_shape_is_infinitely_far(wrong):
    right = ([[1.0, 1.0]], [[0.5, 0.5]])
    found = compare({1: right, 2: (wrong, [[0.5, 0.5]])}, {1: right, 2: right})
    assert found == [Difference("logits", math.inf, "step 2"), Difference("probabilities", 0.0, "step 1")]


def test_a_nan_of_keras_is_no_agreement():
    right = ([[1.0, 1.0]], [[0.5, 0.5]])
    found = compare({1: right}, {1: ([[np.nan, 1.0]], [[0.5, 0.5]])})
    assert found[0] == Difference("logits", math.inf, "step 1")


def test_the_scale_of_a_score_is_its_largest_and_at_least_1():
    class Scores:
        def run(self, inputs):
            return {"score": np.array([[inputs["score"] + 0.5]])}

    def compared(*scores: float) -> list[Difference]:
        steps = [(Probe(f"{score}", {"score": score}), {"score": np.array([[score]])}) for score in scores]
        return largest_differences(Scores(), SimpleNamespace(steps=steps))

    assert compared(3.0, -250.0) == [Difference("score", 0.5, "3.0", scale=250.0)]
    assert compared(0.25, 0.5) == [Difference("score", 0.5, "0.25", scale=1.0)]
