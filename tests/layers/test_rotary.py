"""Rotary positions: complex multiplication, and distances alone in the scores."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from layer_contract import array

from kerastx.layers.rotary import RotaryPositions, rotate

POSITIONS = np.array([[0, 1, 2, 3, 9], [4, 5, 6, 7, 8]], "int32")


def test_a_pair_turns_as_a_complex_number():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 8)).astype("float32")
    angles = POSITIONS[:, None, :, None] * 100.0 ** (-np.arange(4) / 4)
    turned = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * angles)
    found = array(rotate(x, RotaryPositions(8, theta=100.0)(POSITIONS)))
    np.testing.assert_allclose(found, np.concatenate([turned.real, turned.imag], -1), atol=1e-5)


def test_scores_depend_on_distances_alone():
    query, key = np.random.default_rng(1).normal(size=(2, 1, 1, 5, 8)).astype("float32")
    layer = RotaryPositions(8)
    scores = [
        array(rotate(query, layer(positions))) @ array(rotate(key, layer(positions))).swapaxes(-1, -2)
        for positions in (np.arange(5)[None], np.arange(5)[None] + 37)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_angles_are_float32_also_under_mixed_precision():
    """In bfloat16 the position 1001 would be 1000."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rotation = array(RotaryPositions(8)(np.array([[1001]], "int32")))
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_allclose(rotation[0, 0, 0, 0], np.cos(1001), atol=1e-4)


def test_config_and_shape():
    layer = RotaryPositions(8, theta=500.0)
    assert RotaryPositions.from_config(layer.get_config()).get_config() == layer.get_config()
    assert layer.compute_output_shape((None, 5)) == (None, 1, 5, 8)


def test_bad_arguments():
    with pytest.raises(ValueError, match="an even head_dim, got 7"):
        RotaryPositions(7)
    with pytest.raises(ValueError, match="theta must be positive"):
        RotaryPositions(8, theta=0.0)
