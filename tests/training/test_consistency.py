"""R-Drop: the divergence of two copies of a row, by hand, and training that narrows it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy
from scipy.special import log_softmax, rel_entr, softmax

from kerastx.data.labelled import LabelledData
from kerastx.data.pipeline import classification_dataset
from kerastx.models.classifier import build_classifier
from kerastx.models.config import EncoderConfig
from kerastx.text.tokenizer import Tokenizer
from kerastx.training.consistency import Consistency
from kerastx.training.finetune import finetune
from kerastx.training.losses import BinaryCrossEntropy, cross_entropy

LOGITS = np.random.default_rng(3).normal(size=(6, 4)).astype("float32")


def values(loss, targets):
    return convert_to_numpy(loss.call(keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(LOGITS)))


def test_of_one_label():
    labels = np.tile(np.array([0, 3, 1], "int32"), 2)
    p = softmax(LOGITS, axis=-1)
    apart = (rel_entr(p[:3], p[3:]) + rel_entr(p[3:], p[:3])).sum(-1) / 2
    expected = -log_softmax(LOGITS, axis=-1)[np.arange(6), labels] + 0.7 * np.tile(apart, 2)
    loss = Consistency(cross_entropy(), task="classification", weight=0.7)
    np.testing.assert_allclose(values(loss, labels), expected, rtol=1e-5)


def test_of_any_labels():
    targets = np.tile(np.eye(3, 4, dtype="float32"), (2, 1))
    p = 1 / (1 + np.exp(-LOGITS))
    both = sum(rel_entr(a[:3], a[3:]) + rel_entr(a[3:], a[:3]) for a in (p, 1 - p)) / 2
    plain = values(BinaryCrossEntropy(), targets)
    loss = Consistency(BinaryCrossEntropy(), task="multi_label", weight=2.0)
    np.testing.assert_allclose(values(loss, targets), plain + 2 * np.tile(both.mean(-1), 2), rtol=1e-5)


def test_of_numbers():
    targets = np.zeros((6, 4), "float32")
    apart = np.tile(((LOGITS[:3] - LOGITS[3:]) ** 2).mean(-1), 2)
    loss = Consistency(keras.losses.MeanSquaredError(), task="regression", weight=0.5)
    np.testing.assert_allclose(values(loss, targets), (LOGITS**2).mean(-1) + 0.5 * apart, rtol=1e-5)


def test_goes_through_its_config():
    loss = Consistency(cross_entropy(), task="classification", weight=0.7)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    labels = np.zeros(6, "int32")
    np.testing.assert_array_equal(values(again, labels), values(loss, labels))


def test_a_negative_weight():
    with pytest.raises(ValueError, match="must not be below 0, got -1"):
        Consistency(cross_entropy(), task="classification", weight=-1.0)
    with pytest.raises(ValueError, match="task must be one of classification, multi_label, regression, got 'ranking'"):
        Consistency(cross_entropy(), task="ranking", weight=1.0)


@pytest.fixture(scope="module")
def rows():
    """Three of four that are good are "yes": no model can be sure, and what dropout does to it stays to be seen."""
    texts = [f"{word} {other}" for word in ("good", "bad") for other in "abcdefgh"]
    targets = np.array([1, 1, 1, 0] * 2 + [0, 0, 0, 1] * 2, "int32")
    return LabelledData(texts, [("no", "yes")[target] for target in targets], ("no", "yes"), targets)


@pytest.fixture(scope="module")
def tokenizer(rows):
    return Tokenizer.train(rows.texts, vocabulary_size=100)


def test_the_second_half_of_a_batch_repeats_the_first(rows, tokenizer):
    make = {"batch_size": 5, "max_length": 8, "seed": 4, "class_weights": {"no": 1.0, "yes": 3.0}}
    once = classification_dataset(rows, tokenizer, **make)
    twice = classification_dataset(rows, tokenizer, **make, twice=True)
    assert once.cardinality() == twice.cardinality() == 4
    for single, double in zip(once, twice, strict=True):
        for part, repeated in zip(keras.tree.flatten(single), keras.tree.flatten(double), strict=True):
            np.testing.assert_array_equal(np.concatenate([part, part]), repeated)


def test_training_draws_the_answers_of_a_row_together(rows, tokenizer):
    def apart_after(weight):
        keras.utils.set_random_seed(5)
        config = EncoderConfig.preset("tiny", vocabulary_size=tokenizer.vocabulary_size, dropout_rate=0.2)
        model = build_classifier(config, num_classes=2)
        data = classification_dataset(rows, tokenizer, batch_size=8, max_length=8, seed=1, twice=True)
        settings = {"epochs": 40, "learning_rate": 1e-3}
        finetune(model, data, task="classification", consistency=weight, **settings)
        inputs = next(iter(data))[0]
        answers = [convert_to_numpy(model(inputs, training=True)["logits"]) for _ in range(20)]
        return np.std(softmax(answers, axis=-1), axis=0).mean()

    assert apart_after(50.0) < 0.7 * apart_after(1e-6)
