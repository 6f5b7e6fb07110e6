"""Decoupled decay on kernels only, and clipped gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from kerastx.layers.encoder_block import EncoderBlock
from kerastx.training.optimizers import adamw


@pytest.fixture
def block():
    layer = EncoderBlock(2, 16, name="block")
    layer.build((None, None, 8))
    for variable in layer.trainable_variables:
        variable.assign(np.full(variable.shape, 0.5, "float32"))
    return layer


def test_only_kernels_decay(block):
    """With zero gradients AdamW moves a weight by its decay alone: w <- w - rate * decay * w."""
    variables = block.trainable_variables
    optimizer = adamw(0.1, total_steps=1, weight_decay=0.2)
    optimizer.build(variables)
    optimizer.apply([keras.ops.zeros(v.shape) for v in variables], variables)
    for variable in variables:
        expected = 0.5 if variable.name in ("bias", "gamma", "beta") else 0.5 - 0.1 * 0.2 * 0.5
        np.testing.assert_allclose(convert_to_numpy(variable), expected, rtol=1e-6, err_msg=variable.path)
    assert {v.name for v in variables} == {"kernel", "bias", "gamma", "beta"}


def test_small_gradients_move_as_far_as_the_paper_says():
    """Adam as in algorithm 1 with decoupled decay, in float64, for gradients as small as clipping leaves them."""
    gradients = np.random.default_rng(4).normal(scale=[1e-6, 1e-5, 1e-3], size=(30, 3)).astype("float32")
    variable = keras.Variable(np.ones(3, "float32"), name="kernel")
    optimizer = adamw(1e-3, total_steps=30, weight_decay=0.01)
    optimizer.build([variable])
    expected, first, second = np.ones(3), np.zeros(3), np.zeros(3)
    for step, gradient in enumerate(gradients.astype("float64"), 1):
        rate = float(optimizer.learning_rate)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        adam = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        expected -= rate * (adam + 0.01 * expected)
        optimizer.apply([keras.ops.convert_to_tensor(gradients[step - 1])], [variable])
    moved, should = convert_to_numpy(variable) - 1, expected - 1
    assert np.all(np.abs(moved / should - 1) < [0.05, 0.03, 0.002])


def test_the_global_norm_is_clipped():
    variable = keras.Variable(np.zeros(4, "float32"), name="kernel")
    optimizer = adamw(1.0, total_steps=1, global_clipnorm=0.5)
    optimizer.build([variable])
    optimizer.apply([keras.ops.ones(4) * 100], [variable])
    first_moment = next(v for v in optimizer.variables if "momentum" in v.path)
    # Adam's first moment after one step is (1 - beta_1) times the gradient it was given.
    np.testing.assert_allclose(np.linalg.norm(convert_to_numpy(first_moment)), 0.1 * 0.5, rtol=1e-5)


def test_two_accumulated_batches_move_like_their_mean():
    gradients = [np.array([1.0, -2.0], "float32"), np.array([3.0, 0.5], "float32")]
    one, two = (keras.Variable(np.ones(2, "float32"), name="kernel") for _ in range(2))
    whole, parts = adamw(0.1, total_steps=5), adamw(0.1, total_steps=5, accumulate=2)
    for optimizer, variable in ((whole, one), (parts, two)):
        optimizer.build([variable])
    for _ in range(3):
        whole.apply([keras.ops.convert_to_tensor(np.mean(gradients, axis=0))], [one])
        for gradient in gradients:
            before = convert_to_numpy(two)
            parts.apply([keras.ops.convert_to_tensor(gradient)], [two])
        assert (convert_to_numpy(two) != before).all()
        np.testing.assert_allclose(convert_to_numpy(two), convert_to_numpy(one), rtol=1e-6)
    assert int(parts.iterations) == int(whole.iterations) == 3


def test_accumulate_must_be_positive():
    with pytest.raises(ValueError, match="accumulate must be at least 1"):
        adamw(0.1, total_steps=5, accumulate=0)
