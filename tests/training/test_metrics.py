"""Perplexity counts real positions only, over all batches."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastx.training.metrics import Accuracy, Perplexity


def test_perplexity_is_exp_of_the_mean_over_real_positions():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 3, 7)).astype("float32")
    labels = rng.integers(0, 7, (4, 3))
    weights = rng.integers(0, 2, (4, 3)).astype("float32")
    metric = Perplexity()
    metric.update_state(labels[:2], logits[:2], weights[:2])
    metric.update_state(labels[2:], logits[2:], weights[2:])
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    picked = np.take_along_axis(log_probabilities, labels[..., None], -1)[..., 0]
    assert float(metric.result()) == pytest.approx(np.exp(-(picked * weights).sum() / weights.sum()), rel=1e-5)
    metric.reset_state()
    metric.update_state(labels, np.zeros_like(logits), weights)
    assert float(metric.result()) == pytest.approx(7.0, rel=1e-5)


def test_accuracy_counts_the_largest_logit_of_real_positions():
    logits = np.array([[[0.0, 2.0, 1.0], [3.0, 2.0, 1.0], [0.0, 0.0, 0.0]]], "float32")
    labels = np.array([[1, 1, 0]])
    metric = Accuracy()
    metric.update_state(labels, logits, np.array([[1.0, 1.0, 0.0]], "float32"))
    assert float(metric.result()) == 0.5
    # Of equal logits the first counts, as in argmax: a model that knows nothing is not always right.
    metric.reset_state()
    metric.update_state(np.array([[0, 1, 2]]), np.zeros((1, 3, 3), "float32"))
    assert float(metric.result()) == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric", [Accuracy(), Perplexity("surprise")])
def test_metrics_survive_saving(metric):
    twin = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert twin.name == metric.name
    assert twin.get_config() == metric.get_config()
