"""Weights move between tasks by path; what does not fit is told completely."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastx.checkpoint.store import build_model
from kerastx.checkpoint.weights import random_state_arrays, set_random_states, transfer_weights, weight_arrays
from kerastx.errors import CheckpointError
from kerastx.models.config import EncoderConfig


def test_a_classifier_takes_the_encoder_and_pooler_of_a_pretrainer(make_checkpoint):
    source, target = make_checkpoint("pretraining").model, make_checkpoint().model
    before = weight_arrays(target)
    fresh = transfer_weights(source, target)
    assert fresh == ["classifier_head/kernel", "classifier_head/bias"]
    expected, found = weight_arrays(source), weight_arrays(target)
    for path, array in found.items():
        np.testing.assert_array_equal(array, before[path] if path in fresh else expected[path])


def test_a_head_can_be_left_out(make_checkpoint):
    source, target = make_checkpoint().model, make_checkpoint().model
    fresh = transfer_weights(source, target, leave={"classifier_head"})
    assert fresh == ["classifier_head/kernel", "classifier_head/bias"]
    assert transfer_weights(source, target) == []


def test_another_encoder_does_not_fit(make_checkpoint, config):
    wider = EncoderConfig.from_dict({**config.to_dict(), "hidden_dim": 32})
    target = build_model("classification", wider, ("a", "b"))
    before = weight_arrays(target)
    with pytest.raises(CheckpointError, match=r"token_embedding/table \(\d+, 32\): \(\d+, 16\)"):
        transfer_weights(make_checkpoint("pretraining").model, target)
    for path, array in weight_arrays(target).items():
        np.testing.assert_array_equal(array, before[path])


def test_seed_states_make_dropout_repeat_itself():
    inputs = keras.Input((50,))
    model = keras.Model(inputs, keras.layers.Dropout(0.5, name="dropout")(inputs))
    x = np.ones((4, 50), "float32")
    model(x, training=True)
    states = random_state_arrays(model)
    first = np.array(model(x, training=True))
    assert not np.array_equal(np.array(model(x, training=True)), first)
    set_random_states(model, states)
    np.testing.assert_array_equal(np.array(model(x, training=True)), first)
