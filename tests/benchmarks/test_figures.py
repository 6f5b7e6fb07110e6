from __future__ import annotations

import pytest
from figures import Spread, speedup


def test_median_and_quartiles():
    assert Spread.of([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(3.0, 2.0, 4.0)
    assert Spread.of([1.0, 2.0, 3.0, 4.0]) == Spread(2.5, 1.75, 3.25)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


def test_a_speedup_is_of_medians_and_of_the_rounds():
    ratio = speedup([1.0, 2.0, 4.0], [3.0, 4.0, 10.0])
    assert ratio.of_medians == 2.0  # 4 / 2
    assert ratio.per_round == Spread(2.5, 2.25, 2.75)  # of 3, 2, 2.5


def test_a_round_that_slows_everybody_down_leaves_the_rounds_ratio_alone():
    ratio = speedup([1.0, 1.0, 9.0], [2.0, 2.0, 18.0])
    assert ratio.per_round == Spread(2.0, 2.0, 2.0)


def test_figures_of_unlike_rounds_are_not_compared():
    with pytest.raises(ValueError, match="zip"):
        speedup([1.0, 2.0], [1.0])
