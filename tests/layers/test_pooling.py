"""The pooled vector comes from the first token alone."""

from __future__ import annotations

import numpy as np
from layer_contract import array, check_layer

from kerastx.layers.pooling import FirstTokenPooler


def test_is_the_squashed_projection_of_the_first_token(states):
    layer = FirstTokenPooler(name="pooler")
    result = array(layer(states))
    expected = np.tanh(states[:, 0] @ array(layer.projection.kernel) + array(layer.projection.bias))
    np.testing.assert_allclose(result, expected, atol=1e-6)
    states[:, 1:] = 1e3
    np.testing.assert_array_equal(array(layer(states)), result)


def test_layer_contract(states, tmp_path):
    check_layer(FirstTokenPooler(name="pooler"), (states,), tmp_path)
