"""Does a file answer like the Keras model it was made from?"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from kerastx.runtime.engines import Engine
from kerastx.runtime.session import Session
from kerastx_export.agreement import AnyAgreement, agreement
from kerastx_export.comparison import Comparison
from kerastx_export.scoring import Score, entity_score, scores


@dataclass(frozen=True)
class Difference:
    """The largest difference between file and Keras in one output, and the step that showed it.

    Attributes:
        output: its name.
        value: the difference.
        probe: the step.
        scale: what a tolerance is to be taken times: the scores of a regression may be of any size.
    """

    output: str
    value: float
    probe: str
    scale: float = 1.0


@dataclass(frozen=True)
class Parity:
    """All comparisons of one file with Keras; there are no scores without labelled rows."""

    differences: list[Difference]
    agreement: AnyAgreement
    scores: list[Score] = field(default_factory=list)

    @property
    def score(self) -> Score | None:
        """The first, and most usual, of the scores."""
        return self.scores[0] if self.scores else None


def measure(session: Session, comparison: Comparison) -> Parity:
    """Run an opened file in its own runtime and compare it with Keras."""
    if comparison.task == "tagging":
        return _tagging(session, comparison)
    found, expected = session.predict(comparison.texts, comparison.pairs), comparison.outputs
    scored: list[Score] = []
    if comparison.targets is not None:
        scored = scores(comparison.task, found, expected, comparison.targets, pair=comparison.pairs is not None)
    return Parity(
        differences=largest_differences(session.engine, comparison),
        agreement=agreement(comparison.task, found, expected),
        scores=scored,
    )


def _tagging(session: Session, comparison: Comparison) -> Parity:
    found = {"probabilities": np.concatenate(session.token_probabilities(comparison.encodings))}
    scored: list[Score] = []
    if comparison.sentences is not None:
        sides = comparison.word_tags(session.tag), comparison.word_tags(comparison.tag)
        scored = [entity_score(comparison.sentences, *sides)]
    return Parity(
        differences=largest_differences(session.engine, comparison),
        agreement=agreement(comparison.task, found, comparison.outputs),
        scores=scored,
    )


def largest_differences(engine: Engine, comparison: Comparison) -> list[Difference]:
    """Return the largest difference of each output over all steps; infinite where graph or Keras answers NaN."""
    names = list(comparison.steps[0][1])
    worst = {name: Difference(name, -1.0, "", _scale(name, comparison)) for name in names}
    for probe, expected in comparison.steps:
        found = engine.run(probe.inputs)
        for name in names:
            value = _distance(found[name], expected[name])
            if value > worst[name].value:
                worst[name] = Difference(name, value, probe.name, worst[name].scale)
    return list(worst.values())


def _scale(name: str, comparison: Comparison) -> float:
    if name != "score":
        return 1.0
    return max(1.0, *(float(np.nanmax(np.abs(expected[name]))) for _, expected in comparison.steps))


def _distance(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape or not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return math.inf
    return float(np.abs(found - expected).max())
