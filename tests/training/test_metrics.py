"""Perplexity counts real positions only, over all batches."""

from __future__ import annotations

import numpy as np
import pytest

from kerastx.training.metrics import Perplexity


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
