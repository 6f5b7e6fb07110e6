"""Files that take text and no ids, and what is exported when nobody says what files are to take."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from small_classifier import small_classifier
from text_backends import VARIED, unigram_backend

from kerastx.errors import ExportError
from kerastx.runtime.results import CUT
from kerastx.runtime.session import load
from kerastx.runtime.text_runs import run_texts
from kerastx.text.tokenizer import Tokenizer
from kerastx_export import text_check
from kerastx_export.export import export_checkpoint
from kerastx_export.verify import verify

FORMATS = ("tflite", "onnx")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A classifier's folder of files that take text only, and one of those that take both, by default."""
    folders = {inputs: tmp_path_factory.mktemp(str(inputs)) for inputs in ("text", None)}
    for inputs, folder in folders.items():
        export_checkpoint(small_classifier(), folder, recipe="fp32", inputs=inputs)
    return folders


@pytest.mark.parametrize("kind", FORMATS)
def test_text_alone_is_answered_as_ids_are(files, kind):
    only, both = (load(folder / f"classification-fp32.{kind}") for folder in files.values())
    assert only.engine.inputs == {}
    assert only.engine.text_inputs == ("text",)
    assert [tensor["name"] for tensor in only.manifest.signature["inputs"]] == ["text"]
    assert sorted(both.engine.inputs) == ["padding_mask", "segment_ids", "token_ids"]
    texts = [text for text in VARIED if len(text.encode()) <= 512]
    for name, values in both.predict(texts).items():
        np.testing.assert_allclose(only.predict(texts)[name], values, atol=1e-5)
    assert only(texts[0]).label == both(texts[0]).label
    assert only([]) == []
    assert verify(files["text"] / f"classification-fp32.{kind}", small_classifier()).parity.differences


@pytest.mark.parametrize("kind", FORMATS)
def test_a_longer_text_is_cut_at_a_character(files, kind):
    only = load(files["text"] / f"classification-fp32.{kind}")
    budget = only.manifest.text["budget"]
    text = "a " * (budget // 2 - 1) + "é and more"
    kept = text.encode()[:budget].decode("utf-8", "ignore")
    np.testing.assert_array_equal(only.predict([text])["logits"], only.predict([kept])["logits"])
    found = run_texts(only.engine, ["a", text, kept[: budget // 2], " " * budget + "a"], budget=budget)
    assert found[CUT][:, 0].tolist() == [False, True, True, True]


def test_a_tflite_of_text_has_no_signature_for_ids(files):
    signatures = Interpreter(str(files["text"] / "classification-fp32.tflite")).get_signature_list()
    assert sorted(signatures) == ["text", "tokenize", "tokenize_short"]


def test_a_pair_of_texts(tmp_path):
    checkpoint = dataclasses.replace(small_classifier(), pair=True)
    export_checkpoint(checkpoint, tmp_path, recipe="fp32", formats=("onnx",), inputs="text")
    session = load(tmp_path / "classification-fp32.onnx")
    assert session.engine.text_inputs == ("text", "pair")
    encodings = checkpoint.tokenizer.encode_batch(["the old film", ""], ["a cat sat", "rain"], max_length=32)
    expected = checkpoint.model.predict_on_batch(checkpoint.tokenizer.pad(encodings))["logits"]
    found = session.predict(["the old film", ""], ["a cat sat", "rain"])["logits"]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(ValueError, match="pairs must be as many as texts, got 1 and 2"):
        session.predict(["a", "b"], ["c"])


def test_a_file_whose_text_is_read_otherwise_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(text_check, "run_texts", lambda *_, **__: {"logits": np.ones((1, 3)), "probabilities": 0})
    with pytest.raises(ExportError, match=r"the file answers to the text \['.*'\] otherwise than to its ids: logits"):
        export_checkpoint(small_classifier(), tmp_path / "out", recipe="fp32", formats=("onnx",))
    assert not list(tmp_path.rglob("*.onnx"))


def test_a_tokenizer_without_tensor_operations_leaves_files_of_ids_that_say_so(tmp_path):
    unigram = dataclasses.replace(small_classifier(), tokenizer=Tokenizer(unigram_backend()))
    report = export_checkpoint(unigram, tmp_path, recipe="fp32", formats=("onnx",))
    assert load(tmp_path / "classification-fp32.onnx").manifest.text == {}
    why = "The files take ids only: expected a WordPiece tokenizer with BERT's normalizer and pre-tokenizer"
    assert why in report.summary()
    assert why in (tmp_path / "report.md").read_text("utf-8")


def test_a_length_without_room_for_a_token_leaves_files_of_ids(tmp_path):
    short = dataclasses.replace(small_classifier(), pair=True, max_length=3)
    report = export_checkpoint(short, tmp_path, recipe="fp32", formats=("onnx",))
    assert "The files take ids only: max_length must leave room for a token" in report.summary()


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="inputs must be of ids, text, both, got 'bytes'"):
        export_checkpoint(small_classifier(), tmp_path / "out", inputs="bytes")
    tagger = dataclasses.replace(small_classifier(), task="tagging")
    with pytest.raises(ExportError, match="long texts are read in windows.*--input both"):
        export_checkpoint(tagger, tmp_path / "out", inputs="text")
