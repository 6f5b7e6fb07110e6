"""Do file and Keras say the same about the same texts? What that means depends on the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from kerastx.runtime.answers import Answer
from kerastx.runtime.results import THRESHOLD

# A decision is clear where Keras prefers it by more than this; nearer ones fall either way by rounding.
CLEAR_MARGIN = 0.05
_TINY = 1e-12


@dataclass(frozen=True)
class Agreement:
    """How often file and Keras decide alike on the same texts.

    Attributes:
        texts: number of them.
        share: with the same decision: the same label, or the same set of labels.
        clear_texts: number of texts on which Keras prefers its decision by more than `CLEAR_MARGIN`; where any number
            of labels is right, every probability is then at least that far from `THRESHOLD`.
        clear_share: with the same decision among those, of answers to questions how far they overlap; 1 where there
            are none.
        mean_drift: mean over texts of the largest change of a probability.
        unit: what is counted as a text: "texts", "tokens" where each of them is tagged, or "questions".
    """

    texts: int
    share: float
    clear_texts: int
    clear_share: float
    mean_drift: float
    unit: str = "texts"


@dataclass(frozen=True)
class Correlation:
    """How the scores of file and Keras go together.

    Attributes:
        texts: number of them.
        spearman, pearson: correlation of their scores; 0 where one side says the same of every text.
        mean_difference: mean over texts of the absolute difference, in standard deviations of Keras' scores.
    """

    texts: int
    spearman: float
    pearson: float
    mean_difference: float


@dataclass(frozen=True)
class Similarity:
    """How the vectors of file and Keras lie to each other.

    Attributes:
        texts: number of them.
        mean_cosine, lowest_cosine: over the texts, of the two vectors of a text.
    """

    texts: int
    mean_cosine: float
    lowest_cosine: float


AnyAgreement = Agreement | Correlation | Similarity


def agreement(task: str, found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> AnyAgreement:
    """Compare the outputs of file and Keras for the same texts.

    Args:
        task: "classification", "multi_label", "regression", "embedding" or "tagging" (N is then the number of tokens).
        found, expected: by name; probabilities float (N, C), score float (N, 1) or vector float (N, D).
    """
    if task == "classification":
        return decisions(found["probabilities"], expected["probabilities"])
    if task == "tagging":
        return replace(decisions(found["probabilities"], expected["probabilities"]), unit="tokens")
    if task == "multi_label":
        return label_sets(found["probabilities"], expected["probabilities"])
    if task == "regression":
        return correlation(found["score"][:, 0], expected["score"][:, 0])
    return similarity(found["vector"], expected["vector"])


def decisions(found: np.ndarray, expected: np.ndarray) -> Agreement:
    """Compare probabilities of one of several labels, float (N, C)."""
    ranked = np.sort(expected, axis=1)
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    clear = np.asarray(ranked[:, -1] - ranked[:, -2] > CLEAR_MARGIN)
    return _agreement(same, clear, found, expected)


def same_answers(found: Sequence[Answer], expected: Sequence[Answer]) -> Agreement:
    """Compare the answers to questions: the decision is the text, and of two texts that overlap a part is the same."""
    same = np.array([one.text == other.text for one, other in zip(found, expected, strict=True)])
    clear = np.array([_margin(answer) > CLEAR_MARGIN for answer in expected])
    shared = np.array([_overlap(one, other) for one, other in zip(found, expected, strict=True)])
    return Agreement(
        texts=len(same),
        share=float(same.mean()),
        clear_texts=int(clear.sum()),
        clear_share=float(shared[clear].mean()) if clear.any() else 1.0,
        mean_drift=float(np.mean([_drift(one, other) for one, other in zip(found, expected, strict=True)])),
        unit="questions",
    )


def _margin(answer: Answer) -> float:
    others = [candidate.probability for candidate in answer.candidates[1:]]
    return answer.probability - max(others, default=0.0)


def _overlap(one: Answer, other: Answer) -> float:
    """Return the F1 of the characters of two parts of the same context; 1 where neither is an answer."""
    if not one or not other:
        return float(bool(one) == bool(other))
    if one.text == other.text:
        return 1.0
    shared = max(0, min(one.end, other.end) - max(one.start, other.start))
    return 2 * shared / (len(one.text) + len(other.text))


def _drift(one: Answer, other: Answer) -> float:
    """Return the largest change of a probability among the candidates that both have."""
    before = {candidate.text: candidate.probability for candidate in other.candidates}
    return max((abs(c.probability - before[c.text]) for c in one.candidates if c.text in before), default=1.0)


def label_sets(found: np.ndarray, expected: np.ndarray) -> Agreement:
    """Compare probabilities of labels of which any may be right, float (N, C)."""
    same = ((found >= THRESHOLD) == (expected >= THRESHOLD)).all(axis=1)
    clear = np.asarray((np.abs(expected - THRESHOLD) >= CLEAR_MARGIN).all(axis=1))
    return _agreement(same, clear, found, expected)


def correlation(found: np.ndarray, expected: np.ndarray) -> Correlation:
    """Compare scores, float (N,)."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    spread = max(float(expected.std()), _TINY)
    return Correlation(
        texts=len(expected),
        spearman=pearson(stats.rankdata(found), stats.rankdata(expected)),
        pearson=pearson(found, expected),
        mean_difference=float(np.abs(found - expected).mean()) / spread,
    )


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two float (N,); 0 where one of them is constant, of which it has no value."""
    if not np.ptp(first) or not np.ptp(second):
        return 0.0
    return float(stats.pearsonr(first, second).statistic)


def similarity(found: np.ndarray, expected: np.ndarray) -> Similarity:
    """Compare vectors, float (N, D)."""
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (found * expected).sum(axis=1) / np.maximum(lengths, _TINY)
    return Similarity(len(cosines), float(cosines.mean()), float(cosines.min()))


def _agreement(same: np.ndarray, clear: np.ndarray, found: np.ndarray, expected: np.ndarray) -> Agreement:
    return Agreement(
        texts=len(same),
        share=float(same.mean()),
        clear_texts=int(clear.sum()),
        clear_share=float(same[clear].mean()) if clear.any() else 1.0,
        mean_drift=float(np.abs(found - expected).max(axis=1).mean()),
    )
