"""What files that write have for texts: a tokenizer in the graph, and tables that read tokens."""

from __future__ import annotations

import dataclasses
import json

import pytest
import writing_checkpoints
from graph_tokenizers import library_tokenizer
from tokenizers import decoders
from writer_texts import CHECKPOINTS, GOLDEN

import kerastx
from kerastx.artifact import read_artifact
from kerastx.errors import ExportError
from kerastx.runtime.file_steps import open_steps
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.export import export_checkpoint
from kerastx_export.tflite_graph import TfliteGraph
from kerastx_export.writer_text import reading_input, writer_text
from kerastx_export.writer_text_check import check_writer_text

FORMATS = ("tflite", "onnx")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The report, and the files of GPT-2's tokenizer by format."""
    root = tmp_path_factory.mktemp("writers")
    report = export_checkpoint(CHECKPOINTS["gpt2"](), root / "files", recipe="fp32")
    return report, {kind: root / "files" / f"language_model-fp32.{kind}" for kind in FORMATS}


def engine_of(path):
    artifact = read_artifact(path)
    return artifact.manifest, open_steps(artifact.content, artifact.engine_format)


@pytest.mark.parametrize(("kind", "budgets"), [("tflite", (96, 512)), ("onnx", (512,))])
def test_a_prompt_leaves_room_and_has_no_end(exported, kind, budgets):
    manifest, engine = engine_of(exported[1][kind])
    assert (engine.budgets, engine.max_tokens, engine.text_inputs) == (budgets, 47, ("text",))
    found = engine.tokenize([b"The owner"])
    ids = kerastx.load(exported[1][kind]).tokenizer.encode_ids(["The owner"])[0].tolist()
    assert found["token_ids"][0, : found["lengths"][0, 0]].tolist() == ids
    assert manifest.text["single"] == [[0, 0, 0]]
    assert engine.tokenize([b"x" * 500])["is_cut"][0, 0]


def test_what_the_template_puts_in_front_of_a_prompt():
    text = writer_text(CHECKPOINTS["wordpiece"]())
    assert text.entry["single"] == [[None, writing_checkpoints.words().cls_id, 0], [0, 0, 0]]
    assert text.detokenizer["kind"] == "wordpiece"
    assert writer_text(CHECKPOINTS["bart"]()).entry["single"][-1][0] is None


def test_a_source_has_its_own_tokenizer_and_length():
    text = writer_text(CHECKPOINTS["two-vocabularies"]())
    assert text.entry["kind"] == "byte_pair"
    assert text.entry["single"] == [list(slot) for slot in library_tokenizer("byte-pair-prefix").template.single]
    assert text.detokenizer["kind"] == "wordpiece"


def test_the_operators_are_built_in_and_tables_are_there_once(exported):
    graph = TfliteGraph(exported[1]["tflite"].read_bytes())
    assert not [name for name in graph.operators if name.startswith("custom:")]
    assert sorted(entry.signatureKey for entry in graph.model.signatureDefs) == [
        b"reorder",
        b"step",
        b"tokenize",
        b"tokenize_short",
    ]
    large = [
        buffer.data.tobytes() for buffer in graph.model.buffers if buffer.data is not None and len(buffer.data) > 64
    ]
    assert len(set(large)) == len(large)


def test_the_report_says_what_it_takes(exported):
    report, paths = exported
    values = json.loads(paths["tflite"].with_name("report.json").read_text())
    assert (values["no_text"], values["no_detokenizer"]) == ("", "")
    assert [file["text"]["budget"] for file in values["files"]] == [512, 512]
    for path in paths.values():
        assert f"{path.name}: its tokenizer reads 512 bytes, with tables of" in report.summary()
        assert f"{path.name}: its tokenizer reads 512 bytes" in path.with_name("report.md").read_text()


@pytest.mark.parametrize(
    ("places", "budget", "tokens"), [(48, 512, 47), (600, 3594, 599), (2048, 8192, 2047), (20_000, 8192, 8192)]
)
def test_bytes_of_a_prompt(monkeypatch, places, budget, tokens):
    made = {}
    monkeypatch.setattr("kerastx_export.writer_text.tokenizer_input", lambda *_, **given: made.update(given))
    checkpoint = CHECKPOINTS["gpt2"]()
    config = dataclasses.replace(checkpoint.config, max_sequence_length=places)
    reading_input(dataclasses.replace(checkpoint, config=config))
    assert made == {"max_length": tokens, "budget": budget}


def test_a_tokenizer_without_a_form_is_told(tmp_path):
    checkpoint = kerastx.load(str(GOLDEN / "t5"))
    report = export_checkpoint(checkpoint, tmp_path / "files", formats=("tflite",), recipe="fp32")
    assert "The files take ids only: expected a WordPiece tokenizer" in report.summary()
    assert "The files take ids only: " in (tmp_path / "files" / "report.md").read_text()
    with pytest.raises(ExportError, match="text cannot be the input of this model: .*; export with --input ids"):
        writer_text(checkpoint, "both")
    with pytest.raises(ExportError, match="text cannot be the input of this model"):
        writer_text(checkpoint, None, 600)


def test_a_decoder_without_tables_is_told(tmp_path):
    checkpoint = CHECKPOINTS["wordpiece"]()
    backend = checkpoint.tokenizer.backend.from_str(checkpoint.tokenizer.to_json())
    backend.decoder = decoders.BPEDecoder()
    odd = dataclasses.replace(checkpoint, tokenizer=Tokenizer(backend))
    report = export_checkpoint(odd, tmp_path / "files", formats=("tflite",), recipe="fp32")
    message = "have no tables that turn tokens into text: expected a decoder of bytes, words or pieces, got BPEDecoder"
    assert message in report.summary()
    assert read_artifact(report.paths[0]).manifest.detokenizer == {}


@pytest.mark.parametrize("kind", FORMATS)
def test_ids_alone(tmp_path, kind):
    checkpoint = CHECKPOINTS["gpt2"]()
    report = export_checkpoint(checkpoint, tmp_path / "files", formats=(kind,), recipe="fp32", inputs="ids")
    manifest, engine = engine_of(report.paths[0])
    assert (manifest.text, engine.budgets) == ({}, ())
    assert manifest.detokenizer["kind"] == "bytes"
    assert "take ids only" not in report.summary()


def test_wrong_options():
    checkpoint = CHECKPOINTS["gpt2"]()
    with pytest.raises(ValueError, match="inputs must be of ids, both, got 'bytes'"):
        writer_text(checkpoint, "bytes")
    with pytest.raises(ValueError, match="text_bytes is of files that take text: inputs='both'"):
        writer_text(checkpoint, "ids", 600)
    least = checkpoint.max_length
    with pytest.raises(ValueError, match=f"a text of {least - 1} bytes cannot fill the {least} tokens of this model"):
        writer_text(checkpoint, None, least - 1)
    assert writer_text(checkpoint, None, least).entry["budget"] == least


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_cuts_or_reads_otherwise_is_not_kept(exported, kind):
    path = exported[1][kind]
    checkpoint = CHECKPOINTS["gpt2"]()
    text = writer_text(checkpoint)
    assert check_writer_text(path, checkpoint, text).max_tokens == 47
    content = json.loads(checkpoint.tokenizer.to_json())
    content["model"]["merges"] = content["model"]["merges"][:-20]
    other = dataclasses.replace(checkpoint, tokenizer=Tokenizer.from_json(json.dumps(content)))
    with pytest.raises(ExportError, match="the tokenizer in the file has other tokens than the tokenizer for '"):
        check_writer_text(path, other, text)
    content["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    other = dataclasses.replace(checkpoint, tokenizer=Tokenizer.from_json(json.dumps(content)))
    with pytest.raises(ExportError, match=r"the tables of the file read the tokens \[.*\] as .*, not "):
        check_writer_text(path, other, text)
