"""Does a file answer like the Keras model it was made from?"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from kerastx.layers.span_logits import NO_SPAN
from kerastx.runtime.engines import Engine
from kerastx.runtime.results import INTEGER_OUTPUTS
from kerastx.runtime.session import Session
from kerastx_export.agreement import AnyAgreement, agreement, same_answers
from kerastx_export.comparison import KERAS_ONLY, Comparison
from kerastx_export.scoring import Score, answer_scores, entity_score, scores


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
    if comparison.task == "span":
        return _questions(session, comparison)
    found, expected = session.predict(comparison.texts, comparison.pairs), comparison.outputs
    scored: list[Score] = []
    if comparison.targets is not None:
        scored = scores(comparison.task, found, expected, comparison.targets, pair=comparison.pairs is not None)
    if session.engine.inputs:
        differences = largest_differences(session.engine, comparison)
    else:
        differences = [
            Difference(
                name, _distance(found[name], values), "any of the texts", _size(values) if name == "score" else 1.0
            )
            for name, values in expected.items()
        ]
    return Parity(differences=differences, agreement=agreement(comparison.task, found, expected), scores=scored)


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


def _questions(session: Session, comparison: Comparison) -> Parity:
    found = session.answer(comparison.texts, comparison.pairs or ())
    scored: list[Score] = []
    if comparison.questions is not None:
        texts = [[answer.text for answer in side] for side in (found, comparison.answers)]
        scored = answer_scores(comparison.questions, *texts)
    return Parity(
        differences=largest_differences(session.engine, comparison),
        agreement=same_answers(found, comparison.answers),
        scores=scored,
    )


def largest_differences(engine: Engine, comparison: Comparison) -> list[Difference]:
    """Return the largest difference of each output over all steps; infinite where graph or Keras answers NaN."""
    names = [name for name in comparison.steps[0][1] if name not in (*INTEGER_OUTPUTS, *KERAS_ONLY)]
    worst = {name: Difference(name, -1.0, "", _scale(name, comparison)) for name in names}
    for probe, expected in comparison.steps:
        found = engine.run(probe.inputs)
        for name in names:
            value = _distance(found[name], expected[name])
            if name == "scores":
                value = max(value, _span_distance(found, expected))
            if value > worst[name].value:
                worst[name] = Difference(name, value, probe.name, worst[name].scale)
    return list(worst.values())


def _size(values: np.ndarray) -> float:
    return max(1.0, float(np.nanmax(np.abs(values), initial=0.0)))


def _scale(name: str, comparison: Comparison) -> float:
    if name not in ("score", "scores", "null_score"):
        return 1.0
    sizes = [np.abs(expected[name][expected[name] > NO_SPAN]) for _, expected in comparison.steps]
    return max(1.0, *(float(np.nanmax(size)) for size in sizes if size.size))


def _span_distance(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    """Return how far the scores of spans are from those that Keras gives to the same spans: of equal ones any is right.

    Infinite for a span that no text has.
    """
    rows, places = np.nonzero(found["scores"] > NO_SPAN)
    starts, ends = found["starts"][rows, places], found["ends"][rows, places]
    length = expected["start_logits"].shape[1]
    if not ((starts >= 0) & (starts <= ends) & (ends < length)).all():
        return math.inf
    scores = expected["start_logits"][rows, starts] + expected["end_logits"][rows, ends]
    return float(np.abs(found["scores"][rows, places] - scores).max(initial=0.0))


def _distance(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape or not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return math.inf
    return float(np.abs(found - expected).max())
