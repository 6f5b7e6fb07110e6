"""Rows of tokens as examples of what comes next."""

from __future__ import annotations

import numpy as np
from layer_contract import array

from kerastx.training.next_tokens import next_tokens


def test_each_real_token_is_predicted_once_but_the_first():
    token_ids = np.array([[1, 5, 6, 2], [1, 7, 2, 0], [0, 1, 8, 2]], "int32")
    inputs, mask, labels, weights = (array(x) for x in next_tokens(token_ids, token_ids > 0))
    np.testing.assert_array_equal(inputs, [[1, 5, 6], [1, 7, 2], [0, 1, 8]])
    np.testing.assert_array_equal(mask, inputs > 0)
    np.testing.assert_array_equal(labels, [[5, 6, 2], [7, 2, 0], [1, 8, 2]])
    np.testing.assert_array_equal(weights, [[1, 1, 1], [1, 1, 0], [0, 1, 1]])
    assert weights.dtype == "float32"
