"""The linear map on inputs of every rank."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.projection import Projection


@pytest.mark.parametrize("shape", [(3, 8), (2, 5, 8), (2, 3, 4, 8)])
def test_equals_the_product(shape):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    layer = Projection(6, name="projection")
    layer(x)
    layer.bias.assign(np.arange(6, dtype="float32"))
    np.testing.assert_allclose(array(layer(x)), x @ array(layer.kernel) + np.arange(6), atol=1e-5)


def test_kernel_starts_as_a_narrow_truncated_normal():
    layer = Projection(300, initializer_range=0.02, name="projection")
    layer.build((None, 200))
    kernel = array(layer.kernel)
    assert kernel.std() == pytest.approx(0.02 * 0.88, rel=0.15)  # cut at two deviations a normal has 0.88 of its spread
    assert np.abs(kernel).max() <= 0.05


def test_layer_contract(states, tmp_path):
    check_layer(Projection(6, initializer_range=0.1, name="projection"), (states,), tmp_path)


def test_without_a_bias(states, tmp_path):
    layer = Projection(6, use_bias=False, initializer_range=0.1, name="projection")
    check_layer(layer, (states,), tmp_path)
    np.testing.assert_allclose(array(layer(states, training=True)), states @ array(layer.kernel), atol=1e-5)
    layer.enable_lora(2, 1.0)
    assert [weight.name for weight in layer.trainable_variables] == ["lora_a", "lora_b"]


def test_units_must_be_positive():
    with pytest.raises(ValueError, match="units must be at least 1"):
        Projection(0)


def test_the_gradient_of_the_bias_is_the_same_while_training(states):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes the gradient with tensorflow's tape")
    import tensorflow as tf

    layer = Projection(6, name="projection")
    layer.build(states.shape)
    probe = np.random.default_rng(3).normal(size=(*states.shape[:-1], 6)).astype("float32")
    found = {}
    for training in (False, True):
        with tf.GradientTape() as tape:
            outputs = layer(states, training=training)
            loss = tf.reduce_sum(outputs * probe)
        found[training] = [
            array(outputs),
            *(array(g) for g in tape.gradient(loss, [layer.kernel.value, layer.bias.value])),
        ]
    for plain, trained in zip(found[False], found[True], strict=True):
        np.testing.assert_allclose(trained, plain, atol=1e-5)
    np.testing.assert_allclose(found[True][2], probe.sum((0, 1)), rtol=1e-5, atol=1e-5)
