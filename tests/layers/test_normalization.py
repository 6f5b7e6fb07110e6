"""Layer normalization against its equation."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.normalization import LayerNormalization, RMSNormalization, norm_layer


def test_equals_the_equation(states):
    layer = LayerNormalization(epsilon=1e-3, name="norm")
    layer(states)
    gamma, beta = np.linspace(0.5, 2, 8).astype("float32"), np.linspace(-1, 1, 8).astype("float32")
    layer.set_weights([gamma, beta])
    x = states.astype("float64") * 30
    expected = gamma * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3) + beta
    np.testing.assert_allclose(array(layer(states * 30)), expected, atol=1e-5)


def test_constant_rows_give_the_shift_not_nan():
    layer = LayerNormalization(name="norm")
    np.testing.assert_array_equal(array(layer(np.full((1, 2, 4), 7.0, "float32"))), np.zeros((1, 2, 4)))


def test_statistics_survive_half_precision():
    x = (1000.0 + np.arange(8, dtype="float32")).reshape(1, 1, 8)
    half = LayerNormalization(dtype="mixed_float16", name="norm")
    expected = (np.arange(8) - 3.5) / np.std(np.arange(8))
    # 1000 + k is exact in float16, its mean over squares is not: only float32 statistics give two good digits.
    np.testing.assert_allclose(array(half(x))[0, 0], expected, atol=0.01)


def test_layer_contract(states, tmp_path):
    check_layer(LayerNormalization(epsilon=1e-5, name="norm"), (states,), tmp_path)


def test_epsilon_must_be_positive():
    for kind in (LayerNormalization, RMSNormalization):
        with pytest.raises(ValueError, match="epsilon must be positive"):
            kind(epsilon=0)


def test_root_mean_square_alone_is_its_equation(states):
    layer = RMSNormalization(epsilon=1e-3, scale=0.25, name="norm")
    layer(states)
    gamma = np.linspace(0.5, 2, 8).astype("float32")
    layer.set_weights([gamma])
    x = states.astype("float64") * 30
    expected = 0.25 * gamma * x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(array(layer(states * 30)), expected, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_rms_contract(states, tmp_path, scale):
    check_layer(RMSNormalization(epsilon=1e-5, scale=scale, name="norm"), (states,), tmp_path)


def test_norms_by_kind():
    assert isinstance(norm_layer("layer", epsilon=1e-5, name="norm"), LayerNormalization)
    assert isinstance(norm_layer("rms", epsilon=1e-5, name="norm"), RMSNormalization)
    with pytest.raises(ValueError, match=r"norm_kind must be one of \('layer', 'rms'\), got 'batch'"):
        norm_layer("batch", epsilon=1e-5, name="norm")


@pytest.mark.parametrize(
    "layer",
    [LayerNormalization(epsilon=1e-3, name="norm"), RMSNormalization(epsilon=1e-3, scale=0.3, name="norm")],
    ids=["layer", "rms"],
)
def test_values_and_gradients_are_the_same_while_training(states, layer):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes the gradient with tensorflow's tape")
    import tensorflow as tf

    layer.build(states.shape)
    random = np.random.default_rng(3)
    for weight in layer.trainable_variables:
        weight.assign(random.normal(1, 0.3, weight.shape))
    probe = random.normal(size=states.shape).astype("float32")
    found = {}
    for training in (False, True):
        x = tf.constant(states)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=training)
            loss = tf.reduce_sum(outputs * probe)
        gradients = tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_variables)])
        found[training] = [array(outputs), *(array(gradient) for gradient in gradients)]
    for plain, trained in zip(found[False], found[True], strict=True):
        np.testing.assert_allclose(trained, plain, atol=2e-5)
