"""Sinusoidal positions against the formula of the paper."""

from __future__ import annotations

import numpy as np
import pytest
from layer_contract import array

from kerastx.layers.sinusoidal import sinusoidal_positions


@pytest.mark.parametrize("hidden_dim", [8, 7])
def test_equals_the_papers_formula_with_the_sines_first(hidden_dim):
    positions = np.array([[0, 1, 2], [40, 41, 300]], "int32")
    angles = positions[..., None] / 10000.0 ** (2 * np.arange((hidden_dim + 1) // 2) / hidden_dim)
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)[..., :hidden_dim]
    # Angles up to 300 leave five digits in float32.
    np.testing.assert_allclose(array(sinusoidal_positions(positions, hidden_dim)), expected, atol=3e-5)
