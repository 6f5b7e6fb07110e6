"""Does a file answer like the Keras model it was made from?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kerastx.runtime.engines import Engine
from kerastx.runtime.session import Session
from kerastx_export.comparison import Comparison
from kerastx_export.signature import OUTPUTS

# A decision is clear where Keras prefers it by more than this; nearer ones fall either way by rounding.
CLEAR_MARGIN = 0.05


@dataclass(frozen=True)
class Difference:
    """The largest difference between file and Keras in one output, and the step that showed it."""

    output: str
    value: float
    probe: str


@dataclass(frozen=True)
class Agreement:
    """How often file and Keras decide alike on the same texts.

    Attributes:
        texts: number of them.
        share: with the same decision.
        clear_texts: number of texts on which Keras prefers its decision by more than `CLEAR_MARGIN`.
        clear_share: with the same decision among those; 1 where there are none.
        mean_drift: mean over texts of the largest change of a probability.
    """

    texts: int
    share: float
    clear_texts: int
    clear_share: float
    mean_drift: float


@dataclass(frozen=True)
class Score:
    """Accuracy of Keras and of the file on the same labelled rows.

    Attributes:
        rows: number of them.
        keras, file: share of right decisions.
        interval: 95 % interval of file - keras, rows paired.
    """

    rows: int
    keras: float
    file: float
    interval: tuple[float, float]

    @property
    def difference(self) -> float:
        return self.file - self.keras


@dataclass(frozen=True)
class Parity:
    """All comparisons of one file with Keras; `score` is None without labelled rows."""

    differences: list[Difference]
    agreement: Agreement
    score: Score | None


def measure(session: Session, comparison: Comparison) -> Parity:
    """Run an opened file in its own runtime and compare it with Keras."""
    found = session.predict_probabilities(comparison.texts)
    expected, label_ids = comparison.probabilities, comparison.label_ids
    return Parity(
        differences=largest_differences(session.engine, comparison),
        agreement=agreement(found, expected),
        score=None if label_ids is None else score(found, expected, label_ids),
    )


def largest_differences(engine: Engine, comparison: Comparison) -> list[Difference]:
    """Return the largest difference of each output over all steps; infinite where graph or Keras answers NaN."""
    worst = {name: Difference(name, -1.0, "") for name in OUTPUTS}
    for probe, expected in comparison.steps:
        found = engine.run(probe.inputs)
        for name in OUTPUTS:
            value = _distance(found[name], expected[name])
            if value > worst[name].value:
                worst[name] = Difference(name, value, probe.name)
    return list(worst.values())


def _distance(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape or not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return math.inf
    return float(np.abs(found - expected).max())


def agreement(found: np.ndarray, expected: np.ndarray) -> Agreement:
    """Compare the probabilities of file and Keras, float (number of texts, C)."""
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    ranked = np.sort(expected, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > CLEAR_MARGIN
    return Agreement(
        texts=len(same),
        share=float(same.mean()),
        clear_texts=int(clear.sum()),
        clear_share=float(same[clear].mean()) if clear.any() else 1.0,
        mean_drift=float(np.abs(found - expected).max(axis=1).mean()),
    )


def score(found: np.ndarray, expected: np.ndarray, label_ids: np.ndarray) -> Score:
    """Compare the accuracy of file and Keras on labelled rows.

    Args:
        found, expected: probabilities of file and Keras, float (number of rows, C).
        label_ids: int (number of rows,).
    """
    file_right = found.argmax(axis=1) == label_ids
    keras_right = expected.argmax(axis=1) == label_ids
    return Score(
        rows=len(label_ids),
        keras=float(keras_right.mean()),
        file=float(file_right.mean()),
        interval=paired_interval(file_right, keras_right),
    )


def paired_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of mean(first) - mean(second) for paired right/wrong answers, bool (N,).

    Adjusted Wald interval of Bonett and Price, 2012 (Journal of Educational and Behavioral Statistics 37): honest
    also where few rows differ, or none, for which the plain one would have no width.
    """
    count = len(first) + 2
    gained = (int(np.sum(first & ~second)) + 1) / count
    lost = (int(np.sum(~first & second)) + 1) / count
    half_width = 1.959964 * math.sqrt((gained + lost - (gained - lost) ** 2) / count)
    return max(-1.0, gained - lost - half_width), min(1.0, gained - lost + half_width)
