"""Frozen layers stay as they are, the others learn, in float32 and in mixed precision."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy

from kerastx.models.classifier import build_classifier
from kerastx.models.config import EncoderConfig
from kerastx.training.finetune import finetune, freeze_layers
from kerastx.training.precision import precision

CONFIG = EncoderConfig.preset("tiny", vocabulary_size=50, dropout_rate=0.0)


def dataset():
    ids = np.tile(np.arange(5, 13, dtype="int32"), (16, 1))
    ids[8:] += 20
    inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": np.ones(ids.shape, bool)}
    return tf.data.Dataset.from_tensor_slices((inputs, {"logits": np.repeat([0, 1], 8).astype("int32")})).batch(4)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_frozen_layers_stay_and_the_others_learn(name):
    with precision(name):
        model = build_classifier(CONFIG, num_classes=2)
    freeze_layers(model, 1)
    before = {variable.path: convert_to_numpy(variable).copy() for variable in model.weights}
    logs = finetune(model, dataset(), task="classification", epochs=10, learning_rate=2e-3)
    assert logs["accuracy"] == 1.0
    moved = {
        variable.path.split("/")[0]
        for variable in model.weights
        if (before[variable.path] != convert_to_numpy(variable)).any()
    }
    assert moved == {"encoder_block_1", "pooler", "classifier_head"}


def test_accumulated_batches_train_too():
    model = build_classifier(CONFIG, num_classes=2)
    logs = finetune(model, dataset(), task="classification", epochs=10, learning_rate=2e-3, accumulate=2)
    assert logs["accuracy"] == 1.0
    assert int(model.optimizer.iterations) == 20


def test_more_frozen_blocks_than_there_are():
    with pytest.raises(ValueError, match="expected 0 to 2 frozen encoder blocks, got 3"):
        freeze_layers(build_classifier(CONFIG, num_classes=2), 3)


def test_more_accumulated_batches_than_there_are():
    model = build_classifier(CONFIG, num_classes=2)
    with pytest.raises(ValueError, match="accumulate must be at most the 8 batches of the training, got 9"):
        finetune(model, dataset(), task="classification", epochs=2, learning_rate=1e-3, accumulate=9)
