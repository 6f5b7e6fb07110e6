"""Scores equal scikit-learn's and SciPy's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from kerastx.analysis.scoring import MAIN_METRIC, classification_scores, majority_share, task_scores
from kerastx.data.labelled import TASKS, LabelledData


def texts(count):
    return [f"text {number}" for number in range(count)]


def test_scores_equal_scikit_learn():
    rng = np.random.default_rng(0)
    expected, predicted = rng.integers(0, 4, 200), rng.integers(0, 5, 200)
    scores = classification_scores(predicted, expected, 6)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(expected, predicted))
    f1 = metrics.f1_score(expected, predicted, labels=range(6), average="macro", zero_division=0)
    assert scores["macro_f1"] == pytest.approx(f1)
    assert scores["majority_share"] == pytest.approx(np.bincount(expected).max() / 200)


def test_majority_share():
    assert majority_share(["a", "b", "a", "c"]) == 0.5
    with pytest.raises(ValueError, match="no rows to score"):
        classification_scores(np.array([]), np.array([]), 2)


def test_two_labels_have_f1_and_mcc_too():
    rng = np.random.default_rng(1)
    expected, probabilities = rng.integers(0, 2, 100), rng.dirichlet([1, 1], 100)
    data = LabelledData.of(texts(100), [["no", "yes"][label] for label in expected])
    scores = task_scores("classification", {"probabilities": probabilities}, data)
    predicted = probabilities.argmax(1)
    assert scores == pytest.approx(
        {
            **classification_scores(predicted, expected, 2),
            "f1": metrics.f1_score(expected, predicted),
            "mcc": metrics.matthews_corrcoef(expected, predicted),
        }
    )
    three = LabelledData.of(["a"], ["x"], "xyz")
    assert task_scores("classification", {"probabilities": np.eye(3)[:1]}, three).keys() == {
        "accuracy",
        "macro_f1",
        "majority_share",
    }


def test_any_number_of_labels_equals_scikit_learn():
    rng = np.random.default_rng(2)
    expected, probabilities = rng.integers(0, 2, (80, 4)), rng.random((80, 4))
    expected[:, 3], probabilities[:, 3] = 0, 0.1
    probabilities[:40] = np.where(expected[:40], 0.5, 0.4)
    rows = [[name for name, right in zip("abcd", row, strict=True) if right] for row in expected]
    scores = task_scores("multi_label", {"probabilities": probabilities}, LabelledData.of_sets(texts(80), rows, "abcd"))
    predicted = probabilities >= 0.5
    assert scores == pytest.approx(
        {
            "micro_f1": metrics.f1_score(expected, predicted, average="micro"),
            "macro_f1": metrics.f1_score(expected, predicted, average="macro", zero_division=0),
            "exact_match": metrics.accuracy_score(expected, predicted),
        }
    )
    assert 0.5 <= scores["exact_match"] < 1


def numbers(count):
    return st.lists(st.floats(-1e6, 1e6, width=32), min_size=count, max_size=count)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 20).flatmap(lambda count: st.tuples(numbers(count), numbers(count))))
def test_numbers_equal_scipy_and_are_never_nan(rows):
    predicted, expected = rows
    scores = task_scores(
        "regression",
        {"score": np.array(predicted, "float32")[:, None]},
        LabelledData.of_numbers(texts(len(expected)), expected),
    )
    constant = len(set(predicted)) == 1 or len(set(expected)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spearman = 0 if constant else stats.spearmanr(predicted, expected).statistic
        pearson = 0 if constant else stats.pearsonr(predicted, expected).statistic
    assert scores["spearman"] == pytest.approx(spearman, abs=1e-9)
    # A difference far below the size of the numbers is noise in SciPy too.
    if not constant and min(np.std(predicted), np.std(expected)) > 1e-6 * max(np.abs([*predicted, *expected])):
        assert scores["pearson"] == pytest.approx(pearson, abs=1e-6)
    assert scores["mean_absolute_error"] == pytest.approx(metrics.mean_absolute_error(expected, predicted))
    assert scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(expected, predicted))
    assert np.isfinite(list(scores.values())).all()


def test_constant_answers_score_0():
    data = LabelledData.of(texts(4), list("abab"))
    scores = task_scores("classification", {"probabilities": np.array([[0.9, 0.1]] * 4)}, data)
    assert scores == pytest.approx({"accuracy": 0.5, "macro_f1": 1 / 3, "majority_share": 0.5, "f1": 0.0, "mcc": 0.0})
    nothing = LabelledData.of_sets(texts(2), [[], []], "ab")
    scores = task_scores("multi_label", {"probabilities": np.zeros((2, 2))}, nothing)
    assert scores == {"micro_f1": 0.0, "macro_f1": 0.0, "exact_match": 1.0}


def test_vectors_are_scored_by_the_cosines_of_rated_pairs():
    vectors = np.random.default_rng(1).normal(size=(10, 3))
    rows = LabelledData.of_numbers(texts(5), [1, 5, 2, 2, 4], pairs=texts(5))
    cosines = [
        one @ two / np.linalg.norm(one) / np.linalg.norm(two) for one, two in zip(vectors[:5], vectors[5:], strict=True)
    ]
    scores = task_scores("embedding", {"vector": vectors}, rows)
    assert scores == pytest.approx(
        {
            "spearman": stats.spearmanr(cosines, [1, 5, 2, 2, 4]).statistic,
            "pearson": stats.pearsonr(cosines, [1, 5, 2, 2, 4]).statistic,
        }
    )
    with pytest.raises(ValueError, match=r"of the shape \(2 \* 5, D\), got \(5, 3\)"):
        task_scores("embedding", {"vector": vectors[:5]}, rows)
    with pytest.raises(ValueError, match="expected rated pairs or texts that belong together, got 5 rows for class"):
        task_scores("embedding", {"vector": vectors}, LabelledData.of(texts(5), list("ababa")))


def test_vectors_are_scored_by_what_they_find(monkeypatch):
    monkeypatch.setattr("kerastx.analysis.scoring._BLOCK", 3)
    random = np.random.default_rng(2)
    vectors = random.normal(size=(20, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = LabelledData.of_positives([*"abcdefgh", "a", "i"], list("0123456787"))
    ranks = []
    for text in range(10):
        order = np.argsort(-(vectors[10:19] @ vectors[text]))
        right = {0: {0, 8}, 8: {0, 8}, 9: {7}}.get(text, {text})
        ranks.append(1 + next(place for place, found in enumerate(order) if found in right))
    vectors[19] = vectors[17]  # the same text
    scores = task_scores("embedding", {"vector": vectors}, rows)
    assert scores == pytest.approx(
        {"recall_at_1": np.mean(np.array(ranks) == 1), "mean_reciprocal_rank": np.mean(1 / np.array(ranks))}
    )


def test_who_answers_the_same_to_everything_finds_nothing():
    rows = LabelledData.of_positives(list("abcd"), list("efgh"))
    scores = task_scores("embedding", {"vector": np.full((8, 4), 0.5)}, rows)
    assert scores == {"recall_at_1": 0.0, "mean_reciprocal_rank": 0.25}
    for wrong in (np.full((8, 4), np.nan), np.full((9, 4), 0.5)):
        with pytest.raises(ValueError, match=r"vector must be finite and of the shape \(2 \* 4, D\)"):
            task_scores("embedding", {"vector": wrong}, rows)


def test_every_task_has_a_main_metric_that_is_scored():
    rows = {
        "classification": (LabelledData.of(["a", "b"], ["x", "y"]), "probabilities", np.eye(2)),
        "multi_label": (LabelledData.of_sets(["a", "b"], [["x"], ["y"]]), "probabilities", np.eye(2)),
        "regression": (LabelledData.of_numbers(["a", "b"], [1, 2]), "score", np.array([[3.0], [4.0]])),
    }
    assert set(MAIN_METRIC) - {"embedding"} == set(TASKS) - {"positives"} == set(rows)
    for task, (data, name, answers) in rows.items():
        assert task_scores(task, {name: answers}, data)[MAIN_METRIC[task]] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("task", "predicted", "message"),
    [
        ("ranking", {}, "task must be one of classification, multi_label, regression, embedding, got 'ranking'"),
        ("regression", {}, "expected rows for regression, got rows for classification"),
        ("classification", {"logits": np.zeros((2, 2))}, "expected 'probabilities' among the answers, got logits"),
        ("classification", {}, "among the answers, got none"),
        ("classification", {"probabilities": np.zeros(2)}, r"must have the shape \(2, 2\), got \(2,\)"),
        ("classification", {"probabilities": np.full((2, 2), np.nan)}, "probabilities must be finite, got nan"),
    ],
)
def test_wrong_answers(task, predicted, message):
    with pytest.raises(ValueError, match=message):
        task_scores(task, predicted, LabelledData.of(["a", "b"], ["x", "y"]))


def test_no_rows():
    with pytest.raises(ValueError, match="no rows to score"):
        task_scores("classification", {"probabilities": np.zeros((0, 2))}, LabelledData.of([], [], "ab"))
