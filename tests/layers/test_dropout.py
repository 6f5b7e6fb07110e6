"""Dropout: which units fall, how the others grow, and that only training draws."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from layer_contract import array, check_layer

from kerastx.layers.dropout import Dropout


@pytest.mark.parametrize("shape", [(1001, 333), (7,), (3, 5, 64)])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_units_are_zero_or_scaled_by_the_rounded_rate(rate, shape):
    layer = Dropout(rate, seed=3)
    result = array(layer(np.ones(shape, "float32"), training=True))
    dropped = round(rate * 256) / 256
    np.testing.assert_allclose(result[result != 0], 1 / (1 - dropped), rtol=1e-6)
    if result.size > 1e5:  # standard error below 0.001
        assert (result == 0).mean() == pytest.approx(dropped, abs=0.004)
        assert result.mean() == pytest.approx(1.0, abs=0.01)


def test_each_byte_of_a_word_decides_on_its_own():
    dropped = array(Dropout(0.5, seed=4)(np.ones((20000, 4), "float32"), training=True)) == 0
    np.testing.assert_allclose(np.corrcoef(dropped.T), np.eye(4), atol=0.04)


def test_calls_differ_and_a_seed_repeats():
    ones = np.ones((64, 64), "float32")
    first, second = Dropout(0.3, seed=5), Dropout(0.3, seed=5)
    draws = [array(first(ones, training=True)) for _ in range(2)]
    assert (draws[0] != draws[1]).any()
    np.testing.assert_array_equal(array(second(ones, training=True)), draws[0])


def test_nothing_happens_without_training_or_rate(states):
    for layer in (Dropout(0.5), Dropout(0.0), Dropout(0.001)):
        np.testing.assert_array_equal(array(layer(states)), states)
    np.testing.assert_array_equal(array(Dropout(0.0)(states, training=True)), states)


def test_gradient_is_the_mask():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes the gradient with tensorflow's tape")
    import tensorflow as tf

    x = tf.ones((50, 20))
    with tf.GradientTape() as tape:
        tape.watch(x)
        result = Dropout(0.4, seed=6)(x, training=True)
        total = ops.sum(result)
    np.testing.assert_array_equal(array(tape.gradient(total, x)), array(result))


def test_shapes_that_are_known_only_when_it_runs():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("traces with tensorflow")
    import tensorflow as tf

    layer = Dropout(0.5, seed=7)
    traced = tf.function(lambda x: layer(x, training=True), input_signature=[tf.TensorSpec((None, None, 8))])
    for length in (1, 3, 11):
        result = array(traced(np.ones((2, length, 8), "float32")))
        assert set(np.unique(result)) <= {0.0, 2.0}


def test_layer_contract(states, tmp_path):
    check_layer(Dropout(0.1, seed=1, name="dropout"), (states,), tmp_path)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_bad_rate(rate):
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\)"):
        Dropout(rate)
