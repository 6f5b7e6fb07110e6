"""T5's relative positions: its buckets, its table, its directions."""

from __future__ import annotations

import numpy as np
import pytest
from layer_contract import array, check_gradients

from kerastx.layers.relative_positions import RelativePositionBias, distance_buckets


def published_buckets(distance, num_buckets, max_distance):
    """The formula of T5's own program, for one direction, in float64."""
    exact = num_buckets // 2
    with np.errstate(divide="ignore"):
        wide = np.log(distance / exact) / np.log(max_distance / exact) * (num_buckets - exact)
    # Rounded first: at the borders the quotient of logarithms misses whole numbers by its last bit.
    wide = np.floor(np.round(np.maximum(wide, -exact), 9)).astype(int)
    return np.where(distance < exact, distance, np.minimum(exact + wide, num_buckets - 1))


@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (16, 128), (8, 20)])
def test_buckets_are_those_of_t5(num_buckets, max_distance):
    distances = np.arange(max_distance + 1)
    expected = published_buckets(distances, num_buckets, max_distance)
    np.testing.assert_array_equal(distance_buckets(num_buckets, max_distance), expected)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_bias_is_the_buckets_row(bidirectional):
    layer = RelativePositionBias(3, num_buckets=8, max_distance=10, bidirectional=bidirectional)
    query, key = np.array([[0, 5, 30]], "int32"), np.array([[0, 2, 5, 29, 60]], "int32")
    found = array(layer(query, key))
    difference = key[0][None, :] - query[0][:, None]
    if bidirectional:
        buckets = published_buckets(np.minimum(np.abs(difference), 10), 4, 10) + 4 * (difference > 0)
    else:
        buckets = published_buckets(np.clip(-difference, 0, 10), 8, 10)
    np.testing.assert_allclose(found[0], array(layer.table)[buckets].transpose(2, 0, 1), atol=1e-6)


def test_gradients_and_config():
    positions = np.arange(12, dtype="int32")[None]
    layer = RelativePositionBias(2, num_buckets=8, max_distance=10, bidirectional=True, name="bias")
    layer.build()
    check_gradients(layer, (positions, positions), {})
    assert RelativePositionBias.from_config(layer.get_config()).get_config() == layer.get_config()
    assert layer.compute_output_shape((None, 5), (None, 7)) == (None, 2, 5, 7)


def test_bad_arguments():
    with pytest.raises(ValueError, match="num_buckets must be a positive multiple of 4, got num_buckets=6"):
        RelativePositionBias(2, num_buckets=6, bidirectional=True)
    with pytest.raises(ValueError, match="max_distance must be larger than 16, got max_distance=16"):
        RelativePositionBias(2, num_buckets=32, max_distance=16)
