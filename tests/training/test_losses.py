"""The cross-entropy against Keras' own: values, gradients, extremes, weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kerastx.training.losses import (
    BinaryCrossEntropy,
    Distillation,
    cross_entropy,
    generation_losses,
    sparse_cross_entropy,
)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return rng.integers(0, 11, (4, 3)), (4 * rng.normal(size=(4, 3, 11))).astype("float32")


def value_and_gradient(function, labels, logits):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = function(labels, logits)
    return np.asarray(losses), np.asarray(tape.gradient(losses, logits))


def reference(labels, logits):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 25.0, 1e4])
def test_values_and_gradients_equal_tensorflows(batch, scale):
    labels, logits = batch
    found = value_and_gradient(sparse_cross_entropy, labels, logits * scale)
    expected = value_and_gradient(reference, labels, logits * scale)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


def test_a_hopeless_label_costs_its_distance_not_infinity():
    losses = sparse_cross_entropy(np.array([1]), np.array([[500.0, 0.0, -500.0]], "float32"))
    assert float(losses[0]) == pytest.approx(500.0)


def test_the_gradient_is_the_same_inside_of_a_graph(batch):
    labels, logits = batch
    graph = tf.function(lambda y, x: value_and_gradient_graph(y, x))
    np.testing.assert_allclose(
        graph(labels, logits), value_and_gradient(sparse_cross_entropy, labels, logits)[1], atol=1e-6
    )


def value_and_gradient_graph(labels, logits):
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = sparse_cross_entropy(labels, logits)
    return tape.gradient(losses, logits)


@pytest.mark.parametrize("scale", [1.0, 25.0, 1e3])
def test_smoothed_values_and_gradients_equal_tensorflows(batch, scale):
    labels, logits = batch

    def smoothed(labels, logits):
        targets = 0.9 * tf.one_hot(labels, 11) + 0.1 / 11
        return tf.nn.softmax_cross_entropy_with_logits(targets, logits)

    found = value_and_gradient(lambda y, x: sparse_cross_entropy(y, x, 0.1), labels, logits * scale)
    expected = value_and_gradient(smoothed, labels, logits * scale)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


def test_a_smoothed_loss_survives_saving_and_counts_real_positions(batch):
    labels, logits = batch
    weights = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], "float32")
    loss = generation_losses(label_smoothing=0.2)["logits"]
    loss = keras.losses.deserialize(keras.losses.serialize(loss))
    values = np.asarray(sparse_cross_entropy(labels, logits, 0.2))
    assert float(loss(labels, logits, weights)) == pytest.approx((values * weights).sum() / weights.sum(), rel=1e-6)
    with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\), got 1.0"):
        generation_losses(label_smoothing=1.0)


def test_the_mean_is_over_real_positions(batch):
    labels, logits = batch
    weights = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], "float32")
    expected = (np.asarray(reference(labels, logits)) * weights).sum() / weights.sum()
    assert float(cross_entropy()(labels, logits, weights)) == pytest.approx(expected, rel=1e-6)


def test_the_loss_survives_saving(batch):
    labels, logits = batch
    loss = keras.losses.deserialize(keras.losses.serialize(cross_entropy()))
    assert float(loss(labels, logits)) == pytest.approx(float(cross_entropy()(labels, logits)))


def test_distillation_is_hintons_sum():
    random = np.random.default_rng(8)
    teacher, student = random.normal(0, 2, (2, 5, 3)).astype("float32")
    labels = np.array([0, 2, 1, 1, 0], "float32")

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True)

    p, q = softmax(teacher / 3.0), softmax(student / 3.0)
    soft = 9.0 * (p * np.log(p / q)).sum(-1)
    hard = -np.log(softmax(student)[np.arange(5), labels.astype(int)])
    targets = np.concatenate([labels[:, None], teacher], axis=1)
    found = Distillation(temperature=3.0, teacher_weight=0.7)(targets, student)
    np.testing.assert_allclose(ops.convert_to_numpy(found), (0.7 * soft + 0.3 * hard).mean(), rtol=1e-5)


def test_a_student_like_its_teacher_has_no_soft_loss():
    logits = np.random.default_rng(8).normal(0, 2, (4, 3)).astype("float32")
    targets = np.concatenate([np.zeros((4, 1), "float32"), logits], axis=1)
    found = Distillation(temperature=2.0, teacher_weight=1.0)(targets, logits)
    assert abs(float(ops.convert_to_numpy(found))) < 1e-6


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"teacher_weight": 1.5}])
def test_distillation_with_numbers_that_mean_nothing(wrong):
    with pytest.raises(ValueError, match="expected a temperature above 0 and a teacher weight in"):
        Distillation(**wrong)


def test_binary_cross_entropy_of_every_label():
    logits = np.array([[30.0, -2.0], [0.5, 0.0]], "float32")
    targets = np.array([[1.0, 0.0], [0.0, 1.0]], "float32")
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    expected = -(targets * np.log(p) + (1 - targets) * np.log(np.maximum(1 - p, 1e-300)))
    found = BinaryCrossEntropy()(targets, logits)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected.mean(), rtol=1e-5)
