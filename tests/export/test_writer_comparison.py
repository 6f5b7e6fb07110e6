"""Files that write, exported with held rows and verified later: scores of file and Keras side by side."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import writing_checkpoints

import kerastx
from kerastx.analysis.held_rows import pair_rows, text_rows
from kerastx.analysis.writer_scores import held_scores
from kerastx.artifact import read_artifact, seal
from kerastx.checkpoint.generating import vocabularies_of
from kerastx.checkpoint.store import save_checkpoint
from kerastx.checkpoint.text_scores import scorer_of
from kerastx.cli.app import main
from kerastx.data.held_text import HeldText
from kerastx.data.text_pairs import TextPairs
from kerastx.errors import DataError, ExportError
from kerastx.text.tokenizer import Tokenizer
from kerastx_export import verify_file
from kerastx_export.export import export_checkpoint
from kerastx_export.writer_comparison import WriterComparison

HELD = HeldText([["the cat sat on the mat\n", "a dog ran over the hill " * 9], ["rain fell"]])
PAIRS = TextPairs(["the cat sat", "who ate the cake?", "rain"], ["a dog ran", "rain fell on the town", "the mat"])
DATA = {"gpt2": HELD, "transformer": PAIRS}
FILES = [("gpt2", "tflite"), ("gpt2", "onnx"), ("transformer", "tflite")]


def checkpoint_of(name: str):
    return writing_checkpoints.language_model(name) if name == "gpt2" else writing_checkpoints.ending_seq2seq()


@pytest.fixture(scope="module")
def exported_writers(tmp_path_factory):
    """Reports and folders, by name, in 32 bits and with held rows."""
    root = tmp_path_factory.mktemp("writers")
    return {
        name: (
            export_checkpoint(checkpoint_of(name), root / name, formats=formats, recipe="fp32", dev=DATA[name]),
            root / name,
        )
        for name, formats in (("gpt2", ("tflite", "onnx")), ("transformer", ("tflite",)))
    }


@pytest.fixture
def path_of(exported_writers):
    def find(name: str, kind: str):
        return next(exported_writers[name][1].glob(f"*-fp32.{kind}"))

    return find


@pytest.mark.parametrize("name", ["gpt2", "transformer"])
def test_the_report_has_the_scores_of_both_side_by_side(exported_writers, name):
    report, folder = exported_writers[name]
    checkpoint = checkpoint_of(name)
    rows = (text_rows if name == "gpt2" else pair_rows)(vocabularies_of(checkpoint), DATA[name])
    expected = held_scores(scorer_of(checkpoint), rows, lambda phase, done, total: None)
    values = json.loads((folder / "report.json").read_text())
    for file in values["files"]:
        held = file["held"]
        assert held["file"] == pytest.approx(held["keras"], rel=1e-4)
        assert {key: held["keras"][key] for key in expected} == pytest.approx(expected, rel=1e-4)
        assert held["parity"]["tokens"] == expected["tokens"]
        assert file["greedy"]["same_tokens"] == file["greedy"]["tokens"] > 0
    words = f"{len(rows.rows)} rows of held text" if name == "gpt2" else "3 pairs"
    assert values["compared_on"] == f"texts of our own and {words}"
    assert f"## Scores on {words}" in (folder / "report.md").read_text()
    summary = report.summary()
    assert f"  {words}: {expected['tokens']} tokens, cosine of the logits 1.00000" in summary
    perplexity = expected["perplexity"]
    assert f"    perplexity {perplexity:.4f}, Keras {perplexity:.4f}, " in summary
    assert ("    bleu " in summary) == (name == "transformer")


@pytest.mark.parametrize(("name", "kind"), FILES)
@pytest.mark.parametrize("has_rows", [False, True])
def test_the_right_file_passes(path_of, name, kind, has_rows):
    path = path_of(name, kind)
    result = verify_file(path, checkpoint_of(name), dev=DATA[name] if has_rows else None)
    assert result.parity.greedy.same_tokens == result.parity.greedy.tokens
    assert (result.parity.held is not None) == has_rows
    first, second, third, *_ = result.summary().splitlines()
    assert first == f"{path}: unaltered, writes like its checkpoint"
    assert second == f"  recipe fp32, SHA-256 {kerastx.load(path).manifest.sha256}"
    assert third.startswith("  compared on texts of our own")


def test_a_file_of_other_weights_does_not_pass(path_of):
    checkpoint = checkpoint_of("gpt2")
    weight = checkpoint.model.trainable_weights[0]
    kept = weight.numpy()
    weight.assign(kept + 0.02 * np.random.default_rng(1).normal(size=kept.shape))
    try:
        with pytest.raises(ExportError, match="fp32: a log-probability differs from Keras by"):
            verify_file(path_of("gpt2", "onnx"), checkpoint)
    finally:
        weight.assign(kept)


def test_a_file_of_another_checkpoint_does_not_pass(path_of, make_checkpoint):
    checkpoint = checkpoint_of("gpt2")
    other = Tokenizer.train(["the cat sat on the mat"] * 3, vocabulary_size=110)
    for changed, what in (
        (checkpoint_of("transformer"), "task"),
        (make_checkpoint(), "task"),
        (writing_checkpoints.language_model("llama"), "config"),
        (dataclasses.replace(checkpoint, max_length=20), "max_length"),
        (dataclasses.replace(checkpoint, tokenizer=other), "tokenizer"),
    ):
        with pytest.raises(ExportError, match=f"the file was made from another checkpoint: its {what} differs"):
            verify_file(path_of("gpt2", "onnx"), changed)
    translator = checkpoint_of("transformer")
    with pytest.raises(ExportError, match="its source tokenizer differs"):
        verify_file(path_of("transformer", "tflite"), dataclasses.replace(translator, source_tokenizer=other))


def test_a_manifest_that_this_version_does_not_know(path_of, tmp_path):
    artifact = read_artifact(path_of("gpt2", "tflite"))
    graph = artifact.content[: artifact.content.rindex(b"PK\x03\x04")]
    for changes, message in (
        ({"recipe": "int4"}, "made with the recipe 'int4'; this version knows fp32, fp16, dynamic_wi8_afp32"),
        ({"model": {**artifact.manifest.model, "halos": 1}}, "has a config that this version does not know"),
    ):
        altered = tmp_path / "altered.tflite"
        values = {**vars(artifact.manifest), **changes, "sha256": ""}
        altered.write_bytes(seal(graph, type(artifact.manifest)(**values), "tflite"))
        with pytest.raises(ExportError, match=message):
            verify_file(altered, checkpoint_of("gpt2"))


def test_rows_of_another_task(make_checkpoint, exported, tmp_path, dev):
    for name, rows, message in (
        ("gpt2", PAIRS, "the rows are pairs of texts, and a language_model model is scored on text"),
        ("transformer", HELD, "the rows are text, and a seq2seq model is scored on pairs of texts"),
    ):
        with pytest.raises(DataError, match=message):
            WriterComparison(checkpoint_of(name), rows)
    with pytest.raises(DataError, match="the rows have labels, and a model that writes is scored on held text, or on"):
        export_checkpoint(checkpoint_of("gpt2"), tmp_path / "files", dev=dev)
    with pytest.raises(DataError, match="the rows have no labels, and a model that answers is scored on labelled ones"):
        export_checkpoint(make_checkpoint(), tmp_path / "files", dev=HELD)


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_the_command_line(path_of, tmp_path, capsys):
    model = save_checkpoint(tmp_path / "model", checkpoint_of("gpt2"))
    held, sources, targets = (tmp_path / name for name in ("held.txt", "sources.txt", "targets.txt"))
    held.write_text("\n".join("".join(document) + "\n" for document in HELD.documents))
    options = ("--checkpoint", model, "--dev", held)
    code, out, err = run(capsys, "verify", path_of("gpt2", "tflite"), *options)
    assert code == 0, err
    assert "  4 rows of held text: 62 tokens, cosine of the logits 1.00000" in out
    translator = save_checkpoint(tmp_path / "translator", checkpoint_of("transformer"))
    sources.write_text("".join(one + "\n" for one in PAIRS.sources))
    targets.write_text("".join(one + "\n" for one in PAIRS.targets))
    pairs = ("--dev", sources, "--dev-target", targets)
    files = ("--output", tmp_path / "files", "--formats", "tflite", "--recipe", "fp32", "--json")
    code, out, err = run(capsys, "export", translator, *pairs, *files)
    assert code == 0, err
    assert json.loads(out)["files"][0]["held"]["rows"] == "3 pairs"
    for wrong, message in (
        (("--dev-target", targets), "--dev-target belongs to --dev"),
        (("--dev", tmp_path / "none.tsv"), "none.tsv: there is no such file"),
        (("--dev", held, "--dev-target", targets), "expected files of as many lines"),
        (("--dev", held, "--label-column", "a"), "seq2seq has no use for --label-column"),
    ):
        code, _, err = run(capsys, "export", translator, *wrong, "--output", tmp_path / "others")
        assert (code, err.count("\n")) == (1, 1)
        assert message in err
