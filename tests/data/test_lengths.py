from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kerastx.data.lengths import Lengths


def test_statistics_of_lengths_that_come_in_blocks():
    lengths = Lengths.of([np.array([3, 1, 3]), np.array([], int), np.array([10, 2])])
    assert lengths.values.tolist() == [1, 2, 3, 10]
    assert lengths.counts.tolist() == [1, 1, 2, 1]
    assert (lengths.total, lengths.sum, lengths.maximum) == (5, 19, 10)
    assert lengths.mean == 3.8
    assert [lengths.percentile(share) for share in (5, 20, 21, 50, 80, 81, 100)] == [1, 1, 2, 3, 3, 10, 10]
    assert lengths.num_above(2) == 3
    assert lengths.share_above(3) == 0.2
    assert lengths.to_dict() == {
        "mean": 3.8, "p5": 1, "p25": 2, "p50": 3, "p75": 3, "p90": 10, "p95": 10, "p99": 10, "max": 10
    }  # fmt: skip


def test_no_lengths_have_statistics_too():
    lengths = Lengths.of([])
    assert (lengths.total, lengths.mean, lengths.maximum, lengths.percentile(50)) == (0, 0.0, 0, 0)
    assert lengths.share_above(0) == 0.0


@given(st.lists(st.integers(0, 500), min_size=1, max_size=80), st.integers(1, 100))
def test_percentiles_are_those_of_the_sorted_list(values, share):
    lengths = Lengths.of(np.array(part) for part in (values[:7], values[7:]))
    ordered = sorted(values)
    assert lengths.percentile(share) == ordered[-(-share * len(ordered) // 100) - 1]
