"""What may be exported, and as which function."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from kerastx.checkpoint.store import build_model, save_checkpoint
from kerastx.errors import ExportError
from kerastx_export.trace import exportable, keras_answers


@pytest.fixture
def inputs(small):
    return small.tokenizer.pad(small.tokenizer.encode_batch(["One text.", "Another, somewhat longer text."]))


def test_a_float32_classifier_is_taken_as_it_is_or_from_its_folder(small, inputs, tmp_path):
    assert exportable(small) is small
    loaded = exportable(save_checkpoint(tmp_path / "checkpoint", small))
    assert loaded.labels == small.labels
    np.testing.assert_allclose(loaded.model(inputs)["logits"], small.model(inputs)["logits"], atol=1e-6)


def test_a_pretraining_checkpoint_is_refused(small):
    pretrained = dataclasses.replace(
        small, model=build_model("pretraining", small.config), task="pretraining", labels=()
    )
    with pytest.raises(ExportError, match=r"a pretraining checkpoint answers nothing; fine-tune it first: kerastx fin"):
        exportable(pretrained)


@pytest.mark.parametrize("task", ["masked_lm", "encoder"])
def test_a_checkpoint_without_an_answer_is_refused(small, task):
    other = dataclasses.replace(small, model=build_model(task, small.config), task=task, labels=())
    with pytest.raises(ExportError, match=rf"a {task} checkpoint answers nothing; fine-tune it first"):
        exportable(other)


def test_another_backend_is_refused(small, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ExportError, match=r"^export needs KERAS_BACKEND=tensorflow, got jax$"):
        exportable(small)


def test_a_mixed_precision_checkpoint_computes_in_float32(small, inputs):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build_model("classification", small.config, small.labels)
    finally:
        keras.config.set_dtype_policy("float32")
    for variable, trained in zip(model.weights, small.model.weights, strict=True):
        variable.assign(trained)
    mixed = dataclasses.replace(small, model=model)
    assert np.abs(model(inputs)["logits"] - small.model(inputs)["logits"]).max() > 1e-5
    result = exportable(mixed)
    np.testing.assert_allclose(result.model(inputs)["logits"], small.model(inputs)["logits"], atol=1e-6)
    assert keras.config.dtype_policy().name == "float32"


def test_keras_answers_with_logits_and_their_softmax(small, inputs):
    found = keras_answers(small.model, "classification")(inputs)
    logits = small.model(inputs, training=False)["logits"].numpy()
    np.testing.assert_allclose(found["logits"], logits, atol=1e-5)
    exponentials = np.exp(logits)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
