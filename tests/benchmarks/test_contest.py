from __future__ import annotations

import pytest
from contest import Agreement, BenchmarkError, agreement


def test_distance_of_answers():
    found = agreement([[3.0, 0.0], [0.0]], [[4.0], [3.0, 0.0]])
    assert found == Agreement(max_difference=3.0, cosine=pytest.approx(12 / 15))
    assert agreement([0.0], [1.0]) == Agreement(1.0, 0.0)


@pytest.mark.parametrize(
    ("answer", "reason"), [([1.0], "1 numbers where the reference has 2"), ([1.0, float("nan")], "NaN or infinity")]
)
def test_answers_that_cannot_be_compared(answer, reason):
    with pytest.raises(BenchmarkError, match=reason):
        agreement(answer, [1.0, 2.0])
