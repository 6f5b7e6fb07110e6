"""Heads of transformers at every token: tags in our order, places of answers in the context, and the way back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from golden_models import FOLDERS, GOLDEN, copy, golden, reconfigure, rewrite
from safetensors.numpy import load_file

from kerastx.checkpoint.huggingface import load_huggingface, save_huggingface
from kerastx.checkpoint.store import load_checkpoint, save_checkpoint
from kerastx.errors import CheckpointError
from kerastx.text.tags import bio_tags

TAGGERS = [name for name in FOLDERS if name.endswith("-tagger")]
QUESTIONS = [name for name in FOLDERS if name.endswith("-questions")]
THEIRS = ["B-X", "I-Y", "O", "I-X", "B-Y"]  # the order of the golden files
CONTEXTS = {
    "roberta": {0: range(6, 11), 1: range(3, 6)},  # behind a doubled separator
    "others": {0: range(6, 11), 1: range(3, 6)},
}


@pytest.mark.parametrize("name", TAGGERS)
def test_tags_are_those_of_transformers(name):
    inputs, expected = golden(name)
    checkpoint = load_huggingface(GOLDEN / name)
    assert (checkpoint.task, checkpoint.labels, checkpoint.pair) == ("tagging", ("X", "Y"), False)
    order = [THEIRS.index(tag) for tag in bio_tags(checkpoint.labels)]
    found = checkpoint.model.predict_on_batch(inputs)["logits"]
    real = inputs["padding_mask"]
    np.testing.assert_allclose(found[real], expected["logits"][real][:, order], atol=1e-4)
    assert all(entity.label in ("X", "Y") for entity in checkpoint("a b c d e f g"))


@pytest.mark.parametrize("name", QUESTIONS)
def test_places_of_answers_are_those_of_transformers(name):
    inputs, expected = golden(name)
    checkpoint = load_huggingface(GOLDEN / name)
    assert (checkpoint.task, checkpoint.labels, checkpoint.pair) == ("span", (), True)
    assert checkpoint.span.no_answer_threshold is None
    found = checkpoint.model.predict_on_batch(inputs)
    for key in ("start_logits", "end_logits"):
        allowed = found[key] > -5000
        np.testing.assert_allclose(found[key][allowed], expected[key][allowed], atol=1e-4)
        for row, context in CONTEXTS["roberta" if name.startswith("roberta") else "others"].items():
            assert np.flatnonzero(allowed[row]).tolist() == [0, *context]
    context = "a b c d"
    answer = checkpoint("e", context)
    assert context[answer.start : answer.end] == answer.text != ""


@pytest.mark.parametrize("name", ["bert-tagger", "distilbert-tagger", "roberta-tagger"])
def test_tags_on_the_way_back_have_our_order(name, tmp_path):
    checkpoint = load_huggingface(GOLDEN / name)
    folder = save_huggingface(tmp_path / "theirs", checkpoint, family=name.partition("-")[0])
    values = json.loads((folder / "config.json").read_text())
    assert list(values["id2label"].values()) == ["O", "B-X", "I-X", "B-Y", "I-Y"]
    assert values["architectures"][0].endswith("ForTokenClassification")
    expected, found = (load_file(path / "model.safetensors") for path in (GOLDEN / name, folder))
    assert set(found) == set(expected)
    order = [THEIRS.index(tag) for tag in values["id2label"].values()]
    np.testing.assert_array_equal(found["classifier.weight"], expected["classifier.weight"][order])
    again = load_huggingface(folder)
    inputs, _ = golden(name)
    for key, value in checkpoint.model.predict_on_batch(inputs).items():
        np.testing.assert_allclose(again.model.predict_on_batch(inputs)[key], value, atol=1e-6)


@pytest.mark.parametrize("name", ["roberta-questions", "albert-tagger"])
def test_our_own_checkpoint_of_it_answers_the_same(name, tmp_path):
    inputs, _ = golden(name)
    checkpoint = load_huggingface(GOLDEN / name)
    again = load_checkpoint(save_checkpoint(tmp_path / "ours", checkpoint))
    assert (again.task, again.labels, again.span) == (checkpoint.task, checkpoint.labels, checkpoint.span)
    for key, value in checkpoint.model.predict_on_batch(inputs).items():
        np.testing.assert_array_equal(again.model.predict_on_batch(inputs)[key], value)


@pytest.mark.parametrize(
    "tags",
    [["O", "X", "Y", "Z", "A"], ["B-X", "I-X", "O", "I-Y", "I-Z"], ["O", "B-X", "I-X", "B-Y", "U-Y"], ["O"] * 5],
)
def test_other_schemes_of_tags_are_refused(tags, tmp_path):
    folder = reconfigure(copy("bert-tagger", tmp_path), id2label={str(index): tag for index, tag in enumerate(tags)})
    with pytest.raises(CheckpointError, match='expected O, B-X and I-X as id2label, .*task="encoder"'):
        load_huggingface(folder)
    assert load_huggingface(folder, task="encoder").task == "encoder"


@pytest.mark.parametrize(("name", "head"), [("bert-tagger", "classifier"), ("bert-questions", "qa_outputs")])
def test_a_head_of_another_shape_is_refused(name, head, tmp_path):
    def narrow(arrays):
        arrays[f"{head}.weight"] = arrays[f"{head}.weight"][:1]

    with pytest.raises(CheckpointError, match=f"{head}.weight has shape"):
        load_huggingface(rewrite(copy(name, tmp_path), narrow))
