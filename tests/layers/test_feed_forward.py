"""The feed-forward network and its activations against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.activations import activation
from kerastx.layers.feed_forward import FeedForward

erf = np.vectorize(math.erf)
FORMULAS = {
    "gelu": lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_equals_its_formula(name):
    x = np.linspace(-5, 5, 101).astype("float32")
    np.testing.assert_allclose(array(activation(name)(x)), FORMULAS[name](x.astype("float64")), atol=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_feed_forward_equals_the_equation(states, name):
    layer = FeedForward(16, activation=name, name="feed_forward")
    result = array(layer(states))
    first, second = layer.expansion, layer.contraction
    inner = FORMULAS[name](states @ array(first.kernel) + array(first.bias))
    np.testing.assert_allclose(result, inner @ array(second.kernel) + array(second.bias), atol=1e-5)


def test_swiglu_equals_the_equation(states):
    layer = FeedForward(16, activation="silu", gated=True, use_bias=False, name="feed_forward")
    result = array(layer(states * 9))
    gate, values = np.split(states * 9 @ array(layer.expansion.kernel), 2, axis=-1)
    expected = (FORMULAS["silu"](gate) * values) @ array(layer.contraction.kernel)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert len(layer.weights) == 2


def test_contract_of_the_gated_form(states, tmp_path):
    layer = FeedForward(16, activation="silu", gated=True, initializer_range=0.3, name="feed_forward")
    check_layer(layer, (states,), tmp_path)


def test_layer_contract(states, tmp_path):
    check_layer(FeedForward(16, activation="gelu_tanh", name="feed_forward"), (states,), tmp_path)


def test_bad_arguments():
    with pytest.raises(ValueError, match="activation must be one of .*'gelu'.* got 'swish7'"):
        FeedForward(4, activation="swish7")
    with pytest.raises(ValueError, match="intermediate_dim must be at least 1"):
        FeedForward(0)
