from __future__ import annotations

import numpy as np
import pytest

from kerastx.data.computed_order import permuted


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 17, 64, 65, 1000])
def test_the_order_is_a_permutation(size):
    keys = np.full(size, 12345, np.uint64)
    order = permuted(np.arange(size, dtype=np.uint64), size, keys)
    assert sorted(order.tolist()) == list(range(size))


def test_the_order_looks_random():
    size = 4096
    order = permuted(np.arange(size, dtype=np.uint64), size, np.full(size, 9, np.uint64)).astype(float)
    assert abs(np.corrcoef(np.arange(size), order)[0, 1]) < 0.06
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.06
