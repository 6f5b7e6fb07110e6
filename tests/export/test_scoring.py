"""The metrics of file and Keras on the same rows, and how sure their difference is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from kerastx_export.scoring import RESAMPLES, Score, bootstrap_interval, f1, paired_interval, scores, spearman

KERAS = np.array([[0.9, 0.1], [0.2, 0.8], [0.51, 0.49], [0.4, 0.6]], np.float32)


def accuracy(found: np.ndarray, label_ids: list[int]) -> Score:
    (result,) = scores(
        "classification", {"probabilities": found}, {"probabilities": KERAS}, np.array(label_ids, np.int32)
    )
    return result


def test_score_is_the_accuracy_of_both_on_the_same_rows():
    found = np.array([[0.8, 0.2], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6]])
    result = accuracy(found, [0, 1, 1, 1])
    assert (result.rows, result.keras, result.file) == (4, 0.75, 0.75)
    assert result.difference == 0.0
    low, high = result.interval
    assert low == pytest.approx(-high)  # one row gained, one lost
    better = accuracy(found, [0, 0, 1, 1])
    assert (better.keras, better.file, better.difference) == (0.5, 1.0, 0.5)
    assert better.interval == paired_interval(np.array([True] * 4), np.array([True, False, False, True]))


def rows(both: int, first_only: int, second_only: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Return paired right/wrong answers with these counts."""
    first = np.repeat([True, True, False, False], [both, first_only, second_only, neither])
    second = np.repeat([True, False, True, False], [both, first_only, second_only, neither])
    return first, second


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Bentur et al., 2009 and Cavo et al., 2012, the examples of Fagerland, Lydersen and Laake, 2014 (Statistics in
        # Medicine 33); limits by hand: ((2 - 8) ± 1.96 √(10 - 36/23)) / 23, ((7 - 17) ± 1.96 √(24 - 100/163)) / 163.
        ((1, 1, 7, 12), (-0.5084, -0.0134)),
        ((59, 6, 16, 80), (-0.1195, -0.0032)),
    ],
)
def test_paired_interval_of_published_examples(counts, expected):
    assert paired_interval(*rows(*counts)) == pytest.approx(expected, abs=1e-4)


def test_paired_interval_turns_with_the_order_and_shrinks_with_the_rows():
    first, second = rows(50, 9, 3, 20)
    low, high = paired_interval(first, second)
    assert paired_interval(second, first) == pytest.approx((-high, -low))
    more = paired_interval(np.tile(first, 16), np.tile(second, 16))
    assert more[1] - more[0] == pytest.approx((high - low) / 4, rel=0.1)


def test_paired_interval_agrees_with_a_bootstrap_of_many_rows():
    first, second = rows(1500, 130, 80, 290)
    differences = first.astype(int) - second.astype(int)
    generator = np.random.default_rng(0)
    means = [differences[generator.integers(0, 2000, 2000)].mean() for _ in range(4000)]
    # 4000 resamples know the 2.5 % points to about 0.0004.
    assert paired_interval(first, second) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.0015)


@pytest.mark.parametrize(("gain", "loss"), [(0.1, 0.1), (0.05, 0.0), (0.02, 0.1), (0.3, 0.1), (0.01, 0.01)])
def test_paired_interval_covers_the_truth_95_times_in_100(gain, loss):
    """Exact coverage: every outcome of 40 rows, weighted by its trinomial probability."""
    count, covered = 40, 0.0
    for gained, lost in itertools.product(range(count + 1), repeat=2):
        if gained + lost > count:
            continue
        probability = (
            math.comb(count, gained)
            * math.comb(count - gained, lost)
            * gain**gained
            * loss**lost
            * (1 - gain - loss) ** (count - gained - lost)
        )
        if probability < 1e-9:
            continue
        low, high = paired_interval(*rows(count - gained - lost, gained, lost, 0))
        covered += probability * (low <= gain - loss <= high)
    assert covered > 0.94


def test_paired_interval_has_a_width_where_no_row_differs():
    same = np.ones(100, bool)
    low, high = paired_interval(same, same)
    assert low == pytest.approx(-high)
    assert 0.01 < high < 0.05


def test_paired_interval_stays_within_possible_differences():
    assert paired_interval(np.array([True]), np.array([False]))[1] == 1.0
    assert paired_interval(np.array([False]), np.array([True]))[0] == -1.0


def weighted(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.float64)


def test_f1_of_weighted_rows_is_that_of_the_rows_repeated():
    answers, targets = np.array([True, True, False, False]), np.array([True, False, True, False])
    # Once each: 1 hit, 2 answered, 2 wanted. Then the first row three times and the third not at all: 3 of 4 and 3.
    assert f1(answers, targets, weighted([1, 1, 1, 1], [3, 1, 0, 0])) == pytest.approx([0.5, 6 / 7])
    assert f1(np.zeros(4, bool), np.zeros(4, bool), weighted([1, 1, 1, 1])) == [0.0]


def test_micro_f1_counts_all_labels_together():
    answers = np.array([[True, False, True], [False, False, True]])
    targets = np.array([[True, True, False], [False, False, True]])
    assert f1(answers, targets, weighted([1, 1])) == pytest.approx([2 * 2 / (3 + 3)])


def test_spearman_of_weighted_rows_is_scipy_s_of_the_rows_repeated():
    generator = np.random.default_rng(3)
    answers, targets = generator.normal(size=40), generator.integers(0, 6, 40).astype(float)  # with ties
    weights = generator.multinomial(40, np.full(40, 1 / 40), 5).astype(float)
    expected = [
        stats.spearmanr(np.repeat(answers, row.astype(int)), np.repeat(targets, row.astype(int))).statistic
        for row in weights
    ]
    assert spearman(answers, targets, weights) == pytest.approx(expected)
    assert spearman(np.ones(40), targets, weights) == pytest.approx([0.0] * 5)


def test_the_bootstrap_of_two_rows_by_hand():
    """Two rows, file right on both and Keras on the first: F1 differs by 0, 1/3 or 1 with chances 1/4, 1/2, 1/4."""
    targets = np.array([True, True])
    file, keras = np.array([True, True]), np.array([True, False])
    assert bootstrap_interval(f1, file, keras, targets) == pytest.approx((0.0, 1.0))
    # A statistic of the row counts alone shows the draws: their mean is 1 each, their variance N · 1/N · (1 - 1/N).
    seen: list[np.ndarray] = []

    def spy(answers, targets, weights):
        seen.append(weights)
        return np.zeros(len(weights))

    bootstrap_interval(spy, file, keras, targets)
    drawn = np.concatenate(seen[::2])
    assert drawn.shape == (RESAMPLES, 2)
    np.testing.assert_array_equal(drawn, np.concatenate(seen[1::2]))  # the same rows for both sides
    np.testing.assert_array_equal(drawn.sum(axis=1), 2)
    assert drawn.mean(axis=0) == pytest.approx([1, 1], abs=0.05)
    assert drawn.var(axis=0) == pytest.approx([0.5, 0.5], abs=0.05)


def test_the_bootstrap_of_accuracy_agrees_with_its_formula():
    first, second = rows(1500, 130, 80, 290)

    def accuracy_of(answers, targets, weights):
        return weights @ (answers == targets) / weights.sum(axis=1)

    found = bootstrap_interval(accuracy_of, first, second, np.ones(2000, bool))
    assert found == pytest.approx(paired_interval(first, second), abs=0.002)
    assert found == bootstrap_interval(accuracy_of, first, second, np.ones(2000, bool))  # seeded


def test_rows_that_are_hard_for_both_do_not_widen_the_interval():
    generator = np.random.default_rng(5)
    targets = generator.normal(size=500)
    keras = targets + generator.normal(size=500)
    file = keras + generator.normal(0, 0.01, 500)
    low, high = bootstrap_interval(spearman, file, keras, targets)
    assert high - low < 0.005
    other = bootstrap_interval(spearman, targets + generator.normal(size=500), keras, targets)
    assert other[1] - other[0] > 0.05


def test_scores_by_task():
    found = {"probabilities": np.array([[0.4, 0.6], [0.3, 0.7], [0.8, 0.2], [0.9, 0.1]])}
    keras = {"probabilities": np.array([[0.4, 0.6], [0.7, 0.3], [0.8, 0.2], [0.9, 0.1]])}
    accuracy_of_pairs, f1_of_pairs = scores("classification", found, keras, np.array([1, 1, 1, 0]), pair=True)
    assert (accuracy_of_pairs.metric, accuracy_of_pairs.file, accuracy_of_pairs.keras) == ("accuracy", 0.75, 0.5)
    assert (f1_of_pairs.metric, f1_of_pairs.rows) == ("f1", 4)
    assert f1_of_pairs.file == pytest.approx(0.8)
    assert f1_of_pairs.keras == pytest.approx(0.5)
    assert f1_of_pairs.interval[0] <= f1_of_pairs.difference <= f1_of_pairs.interval[1]
    (micro,) = scores("multi_label", found, keras, np.array([[0, 1], [0, 1], [1, 0], [0, 0]], np.float32))
    assert micro.metric == "micro_f1"
    assert (micro.file, micro.keras) == (pytest.approx(6 / 7), pytest.approx(4 / 7))
    targets = np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
    (rank,) = scores("regression", {"score": targets[[1, 0, 2, 3]]}, {"score": targets}, targets)
    assert (rank.metric, rank.file, rank.keras) == ("spearman", pytest.approx(0.8), pytest.approx(1.0))
