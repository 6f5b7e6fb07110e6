"""How good file and Keras are on the same labelled rows, and how sure the difference is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kerastx.analysis.entity_scores import entity_counts
from kerastx.analysis.question_scores import score_rows
from kerastx.analysis.scoring import cosines, retrieval_ranks
from kerastx.data.questions import QuestionData
from kerastx.data.tagged import TaggedData
from kerastx.runtime.results import THRESHOLD

RESAMPLES = 2000
SEED = 20
# Resamples at once: the weights of 3,000 rows then take 1 MB, which a cache holds.
_CHUNK = 50

# answers (N,) or (N, C), targets of the same shape, weights float (R, N) -> float (R,): a metric of R weighted samples
Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Score:
    """One metric of Keras and of the file on the same labelled rows.

    Attributes:
        rows: number of them.
        keras, file: the metric: accuracy, or of -1 to 1.
        interval: 95 % interval of file - keras, rows paired.
        metric: "accuracy", "f1", "micro_f1", "spearman", "recall_at_1", "entity_f1", "answer_f1" or "exact_match".
    """

    rows: int
    keras: float
    file: float
    interval: tuple[float, float]
    metric: str = "accuracy"

    @property
    def difference(self) -> float:
        return self.file - self.keras


def scores(
    task: str, found: dict[str, np.ndarray], expected: dict[str, np.ndarray], targets: np.ndarray, *, pair: bool = False
) -> list[Score]:
    """Compare file and Keras on labelled rows, by the metrics of the task.

    Accuracy for a classification, and for pairs with two labels the F1 of the second as well, as GLUE has them for
    paraphrases; micro F1 where any number of labels is right; Spearman's correlation for a number and for the cosines
    of two vectors of rated pairs; of texts that belong together the share that is nearest to its own.

    Args:
        task: "classification", "multi_label", "regression" or "embedding".
        found, expected: outputs of file and Keras by name: probabilities float (N, C), score float (N, 1) or vector
            float (2N, D), of the first texts and then of the second ones.
        targets: int (N,), float (N, C) or float (N, 1), see `kerastx.data.labelled.LabelledData`; of texts that belong
            together these, object (N, 2).
        pair: whether the rows are pairs of texts.
    """
    if task == "embedding" and targets.dtype == object:
        return [_found_first(found["vector"], expected["vector"], targets)]
    if task == "embedding":
        sides = (cosines(found["vector"]), cosines(expected["vector"]))
        return [_bootstrapped("spearman", spearman, sides, targets[:, 0])]
    if task == "regression":
        sides = (found["score"][:, 0], expected["score"][:, 0])
        return [_bootstrapped("spearman", spearman, sides, targets[:, 0])]
    probabilities = (found["probabilities"], expected["probabilities"])
    if task == "multi_label":
        return [_bootstrapped("micro_f1", f1, tuple(p >= THRESHOLD for p in probabilities), targets > 0.5)]
    answers = tuple(p.argmax(axis=1) for p in probabilities)
    result = [accuracy_score(answers[0], answers[1], targets)]
    if pair and probabilities[0].shape[1] == 2:
        result.append(_bootstrapped("f1", f1, tuple(answer == 1 for answer in answers), targets == 1))
    return result


def _found_first(file: np.ndarray, keras: np.ndarray, rows: np.ndarray) -> Score:
    texts, pairs = rows[:, 0].tolist(), rows[:, 1].tolist()
    file_right, keras_right = (retrieval_ranks(side, texts, pairs) == 1 for side in (file, keras))
    return Score(
        rows=len(rows),
        keras=float(keras_right.mean()),
        file=float(file_right.mean()),
        interval=paired_interval(file_right, keras_right),
        metric="recall_at_1",
    )


def entity_score(sentences: TaggedData, file: Sequence[Sequence[str]], keras: Sequence[Sequence[str]]) -> Score:
    """Compare the F1 of the entities that file and Keras find, as tags of the words of each sentence."""
    counts = [np.array(entity_counts(sentences, side)) for side in (file, keras)]
    return _bootstrapped("entity_f1", _entity_f1, (counts[0][:, :2], counts[1][:, :2]), counts[0][:, 2])


def _entity_f1(answers: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return F1 of sentences: answers int (N, 2), right and given entities; targets int (N,), wanted ones."""
    right, total = weights @ answers[:, 0], weights @ (answers[:, 1] + targets)
    return np.where(total > 0, 2 * right / np.maximum(total, 1), 0.0)


def answer_scores(questions: QuestionData, file: Sequence[str], keras: Sequence[str]) -> list[Score]:
    """Compare F1 and exact match of the answers that file and Keras give to questions."""
    sides = score_rows(questions, file), score_rows(questions, keras)
    return [
        _bootstrapped(name, _mean, (sides[0][:, column], sides[1][:, column]), np.zeros(len(questions)))
        for name, column in (("answer_f1", 1), ("exact_match", 0))
    ]


def _mean(answers: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ answers / weights.sum(axis=1)


def accuracy_score(file_ids: np.ndarray, keras_ids: np.ndarray, label_ids: np.ndarray) -> Score:
    """Compare the accuracy of the answers of file and Keras, int (N,) each, as are the right ones."""
    file_right, keras_right = file_ids == label_ids, keras_ids == label_ids
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


def bootstrap_interval(
    metric: Metric, first: np.ndarray, second: np.ndarray, targets: np.ndarray
) -> tuple[float, float]:
    """Return the 95 % interval of metric(first) - metric(second) over `RESAMPLES` resamples of the rows.

    The rows of both sides are drawn together (Efron and Tibshirani, 1993, chapter 13: percentiles), so that what makes
    a row hard for both does not widen the interval. It has no width where both sides answer the same to every row.
    The draws are seeded: the same rows give the same interval.

    Args:
        metric: of answers, targets and weights.
        first, second: answers of two sides, (N,) or (N, C).
        targets: the right ones, of the same shape.
    """
    count = len(targets)
    generator = np.random.default_rng(SEED)
    differences = []
    for start in range(0, RESAMPLES, _CHUNK):
        size = min(_CHUNK, RESAMPLES - start)
        drawn = generator.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        # How often a row is drawn is its weight: a metric of weighted rows needs no resampled copies.
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        differences.append(metric(first, targets, weights) - metric(second, targets, weights))
    low, high = np.quantile(np.concatenate(differences), [0.025, 0.975])
    return float(low), float(high)


def f1(answers: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the F1 of yes/no answers, bool (N,) or (N, C); several columns are counted together (micro F1)."""
    answers, targets = (x.reshape(len(x), -1) for x in (answers, targets))
    hits = weights @ (answers & targets).sum(axis=1)
    total = weights @ (answers.sum(axis=1) + targets.sum(axis=1))
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), 0.0)


def spearman(answers: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of float (N,) with float (N,); 0 where one side has one value only."""
    return _correlation(_ranks(answers, weights), _ranks(targets, weights), weights)


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the ranks of `values` in each weighted sample, equal ones sharing their mean: (N,), (R, N) -> (R, N)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    group_weights = np.add.reduceat(weights[:, order], np.flatnonzero(is_first), axis=1)
    group_ranks = np.cumsum(group_weights, axis=1) - (group_weights - 1) / 2
    group_of = np.empty(len(values), np.int64)
    group_of[order] = np.cumsum(is_first) - 1
    return group_ranks[:, group_of]


def _correlation(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=1, keepdims=True)
    first = first - (weights * first).sum(axis=1, keepdims=True) / total
    second = second - (weights * second).sum(axis=1, keepdims=True) / total
    weighted = weights * first
    covariance = (weighted * second).sum(axis=1)
    scale = np.sqrt((weighted * first).sum(axis=1) * (weights * second * second).sum(axis=1))
    return np.where(scale > 0, covariance / np.where(scale > 0, scale, 1.0), 0.0)


def _bootstrapped(name: str, metric: Metric, sides: tuple[np.ndarray, ...], targets: np.ndarray) -> Score:
    file, keras = sides
    once = np.ones((1, len(targets)))
    return Score(
        rows=len(targets),
        keras=float(metric(keras, targets, once)[0]),
        file=float(metric(file, targets, once)[0]),
        interval=bootstrap_interval(metric, file, keras, targets),
        metric=name,
    )
