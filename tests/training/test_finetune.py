"""Frozen layers stay as they are, the others learn, in float32 and in mixed precision."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy

from kerastx.models.classifier import build_classifier, build_regressor
from kerastx.models.config import EncoderConfig
from kerastx.training.finetune import ScoreRange, finetune, freeze_layers
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


def test_the_token_embedding_alone_can_be_frozen():
    model = build_classifier(CONFIG, num_classes=2)
    freeze_layers(model, 0, embeddings=True)
    frozen = {variable.path for variable in model.variables} - {variable.path for variable in model.trainable_variables}
    assert {path for path in frozen if "seed" not in path} == {"token_embedding/table"}


def test_the_best_epoch_is_kept_and_training_ends_after_it():
    """Held-out labels are the opposite of the training labels: every epoch is worse than the one before."""
    model = build_classifier(CONFIG, num_classes=2)
    opposite = dataset().map(lambda inputs, targets: (inputs, {"logits": 1 - targets["logits"]}))
    losses = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            losses.append(logs["val_accuracy"])

    logs = finetune(
        model,
        dataset(),
        task="classification",
        epochs=30,
        learning_rate=2e-3,
        held_out=opposite,
        patience=3,
        callbacks=[Watch()],
    )
    assert len(losses) < 30
    assert losses[-1] < max(losses)
    assert logs["val_accuracy"] == max(losses)
    answers = model.predict(opposite, verbose=0)["logits"].argmax(-1)
    expected = np.concatenate([targets["logits"].numpy() for _, targets in opposite])
    assert (answers == expected).mean() == pytest.approx(max(losses))


def test_a_regression_learns_numbers_of_any_range():
    keras.utils.set_random_seed(2)
    inputs = next(iter(dataset().unbatch().batch(16)))[0]
    scores = np.repeat([-1000.0, 5000.0], 8).astype("float32")[:, None]
    found_range = ScoreRange.of(scores)
    assert (found_range.mean, found_range.deviation) == pytest.approx((2000.0, 3000.0))
    targets = {"score": found_range.standardized(scores)}
    rows = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(4)
    model = build_regressor(CONFIG)
    finetune(model, rows, task="regression", epochs=10, learning_rate=2e-3)
    standardized = model.predict(rows, verbose=0)["score"]
    found_range.restore(model)
    found = model.predict(rows, verbose=0)["score"]
    np.testing.assert_allclose(found, standardized * 3000.0 + 2000.0, rtol=1e-4)
    assert np.abs(found - scores).mean() < 600


def test_the_range_of_equal_scores_has_a_width():
    assert ScoreRange.of(np.ones((3, 1), "float32")).deviation == 1.0


def test_any_number_of_labels_can_be_learned():
    keras.utils.set_random_seed(2)
    inputs = next(iter(dataset().unbatch().batch(16)))[0]
    wanted = np.repeat([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 8, axis=0).astype("float32")
    rows = tf.data.Dataset.from_tensor_slices((inputs, {"logits": wanted})).batch(4)
    model = build_classifier(CONFIG, num_classes=3)
    logs = finetune(model, rows, task="multi_label", epochs=10, learning_rate=2e-3)
    assert logs["accuracy"] == 1.0
    np.testing.assert_array_equal(model.predict(rows, verbose=0)["logits"] > 0, wanted > 0)
