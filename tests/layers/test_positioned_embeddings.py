"""The first states: token vectors, positions, norm."""

from __future__ import annotations

import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.positioned_embeddings import PositionedEmbeddings
from kerastx.layers.sinusoidal import sinusoidal_positions

POSITIONS = np.array([[-1, -1, 0, 1, 2], [0, 1, 2, 3, 4]], "int32")
REAL = POSITIONS >= 0


def layer_with(kind, **options) -> PositionedEmbeddings:
    options = {"dropout_rate": 0.0, "max_sequence_length": 6, **options}
    return PositionedEmbeddings(position_vectors=kind, name="embeddings", **options)


def test_learned_positions_are_rows_of_a_table(states):
    layer = layer_with("learned", scale=3.0)
    found = array(layer(states, POSITIONS))
    expected = 3.0 * states + array(layer.positions)[POSITIONS]
    np.testing.assert_allclose(found[REAL], expected[REAL], atol=1e-6)
    assert np.isfinite(found).all()


def test_sinusoidal_positions_have_no_weights(states):
    layer = layer_with("sinusoidal")
    found = array(layer(states, POSITIONS))
    np.testing.assert_allclose(found[REAL], (states + array(sinusoidal_positions(POSITIONS, 8)))[REAL], atol=1e-6)
    assert not layer.weights


def test_no_positions_but_a_norm(states):
    layer = layer_with(None, norm_kind="rms", epsilon=1e-6)
    expected = states / np.sqrt((states**2).mean(-1, keepdims=True))
    np.testing.assert_allclose(array(layer(states, POSITIONS)), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["learned", "sinusoidal", None])
def test_layer_contract(states, tmp_path, kind):
    layer = layer_with(kind, norm_kind="layer", dropout_rate=0.1, initializer_range=0.3)
    check_layer(layer, (states, POSITIONS), tmp_path)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"position_vectors must be None or one of .* got 'rotary'"):
        layer_with("rotary")
    with pytest.raises(ValueError, match="max_sequence_length must be at least 1"):
        layer_with("learned", max_sequence_length=0)
