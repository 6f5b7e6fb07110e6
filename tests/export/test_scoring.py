"""The metrics of file and Keras on the same rows, and how sure their difference is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from kerastx_export.scoring import Score, paired_interval, scores

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
