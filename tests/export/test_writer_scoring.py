"""Files that write say of texts what Keras says of them, without TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import writing_checkpoints

import kerastx
from kerastx.checkpoint.store import save_checkpoint
from kerastx.checkpoint.text_scores import next_words, score
from kerastx.cli.app import main
from kerastx.runtime import Writer
from kerastx_export.export import export_checkpoint

TEXTS = ["the cat sat on the mat", "", "a dog", "who ate the cake? rain fell on the grey town", "rain"]
TARGETS = ["a dog ran", "the cat", "", "rain fell on the grey town", "who"]
FILES = [("gpt2", "tflite"), ("gpt2", "onnx"), ("t5", "tflite")]
WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None
from kerastx.cli.app import main
main(sys.argv[1:])
"""


def checkpoint_of(name: str):
    return writing_checkpoints.seq2seq("t5") if name == "t5" else writing_checkpoints.language_model(name)


@pytest.fixture
def kerastx_command(capsys):
    """Run a command line in this process; return exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files in 32 bits: NAME/TASK-fp32.FORMAT."""
    root = tmp_path_factory.mktemp("writers")
    for name, formats in (("gpt2", ("tflite", "onnx")), ("t5", ("tflite",))):
        export_checkpoint(checkpoint_of(name), root / name, formats=formats, recipe="fp32")
    return root


def path_of(folder, name: str, kind: str):
    return next((folder / name).glob(f"*-fp32.{kind}"))


def without_tensorflow(*arguments: object) -> tuple[int, str, str]:
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_texts_are_as_probable_as_keras_says(folder, name, kind):
    writer = kerastx.load(path_of(folder, name, kind))
    assert isinstance(writer, Writer)
    columns = (TEXTS, TARGETS) if name == "t5" else (TEXTS,)
    expected = score(checkpoint_of(name), *columns)
    for one, other in zip(writer.scorer.score(*columns), expected, strict=True):
        assert one.tokens == other.tokens
        np.testing.assert_allclose(one.log_probabilities, other.log_probabilities, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_rows_that_are_read_one_by_one_are_as_probable_as_together(folder, name, kind):
    writer = kerastx.load(path_of(folder, name, kind))
    columns = (TEXTS, TARGETS) if name == "t5" else (TEXTS,)
    together = writer.scorer.score(*columns)
    for single, column in enumerate(zip(*columns, strict=True)):
        (alone,) = writer.scorer.score(*([text] for text in column))
        np.testing.assert_allclose(alone.log_probabilities, together[single].log_probabilities, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_the_next_words_are_those_of_keras(folder, name, kind):
    writer = kerastx.load(path_of(folder, name, kind))
    for row in (("the cat", "a dog"), ("the cat", "")) if name == "t5" else (("the cat",), ("",)):
        found, expected = writer.scorer.next_words(*row, top=5), next_words(checkpoint_of(name), *row, top=5)
        assert [token for token, _ in found] == [token for token, _ in expected]
        np.testing.assert_allclose([p for _, p in found], [p for _, p in expected], rtol=1e-3)


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_the_command_line_scores_without_tensorflow(folder, name, kind):
    row = ("the cat", "a dog") if name == "t5" else ("the cat",)
    code, out, err = without_tensorflow("score", path_of(folder, name, kind), *row, "--json", "--tokens")
    assert code == 0, err
    found = json.loads(out)
    (expected,) = score(checkpoint_of(name), *([text] for text in row))
    assert found["log_probability"] == pytest.approx(expected.log_probability, rel=1e-4)
    assert [one["token"] for one in found["tokens"]] == list(expected.tokens)


def test_minimal_pairs_are_scored_without_tensorflow(folder, tmp_path):
    expected = [found.log_probability for found in score(checkpoint_of("gpt2"), ["the cat sat", "who ate"])]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"sentence_good": "the cat sat", "sentence_bad": "who ate"}) + "\n")
    code, out, err = without_tensorflow("score", path_of(folder, "gpt2", "onnx"), "--minimal-pairs", pairs)
    assert code == 0, err
    assert out == f"{float(expected[0] > expected[1]):.4f}\t1\tpairs\n"
    code, _, err = without_tensorflow("score", path_of(folder, "t5", "tflite"), "--minimal-pairs", pairs)
    assert (code, err) == (
        1,
        "error: minimal pairs are for language models, masked or not, and this one needs a source\n",
    )


def test_wrong_questions_to_a_file(folder):
    model = kerastx.load(path_of(folder, "gpt2", "onnx"))
    with pytest.raises(ValueError, match="a model of the task language_model scores texts alone, got targets too"):
        model.scorer.score(["a"], ["b"])
    with pytest.raises(ValueError, match="text 1 has 40 tokens, and the model has room for 24: shorten it"):
        model.scorer.score(["the", "the " * 40])
    translator = kerastx.load(path_of(folder, "t5", "tflite"))
    with pytest.raises(ValueError, match="a model of the task seq2seq scores a target for each text: give them"):
        translator.scorer.score(["a"])
    with pytest.raises(ValueError, match="targets must be as many as texts, got 2 and 1"):
        translator.scorer.score(["a"], ["b", "c"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Held text, and pairs as a table and as two files of lines."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "held.txt").write_text("the cat sat\n\n" + "a dog ran over the hill " * 9 + "\nrain fell")
    rows = [("the cat", "a dog ran"), ("who ate the cake?", "rain fell"), ("rain", "the grey town")]
    (folder / "pairs.tsv").write_text("source\ttarget\n" + "".join(f"{one}\t{other}\n" for one, other in rows))
    for side, name in enumerate(("sources", "targets")):
        (folder / f"{name}.txt").write_text("".join(row[side] + "\n" for row in rows))
    return folder


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_a_file_is_evaluated_as_its_checkpoint_without_tensorflow(folder, data, tmp_path, capsys, name, kind):
    source = save_checkpoint(tmp_path / "checkpoint", checkpoint_of(name))
    options = ["--data", data / "held.txt"]
    if name == "t5":
        options = ["--data", data / "sources.txt", "--data-target", data / "targets.txt", "--max-new-tokens", 5]
    with pytest.raises(SystemExit):
        main([str(word) for word in ("evaluate", source, *options, "--json")])
    expected = json.loads(capsys.readouterr().out)
    code, out, err = without_tensorflow("evaluate", path_of(folder, name, kind), *options, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found.pop("task") == expected.pop("task") == checkpoint_of(name).task
    assert found == pytest.approx(expected, rel=1e-4)
    names = {"rows", "perplexity", "tokens"}
    if name == "t5":
        assert expected.keys() == {*names, "bleu", "chrf", "rouge1", "rouge2", "rougeL"}
        assert expected["rows"] == 3
    else:
        assert expected.keys() == {*names, "bits_per_byte"}
        assert expected["rows"] == 4  # a text, and one of 56 tokens in windows of 24
        assert expected["tokens"] == 59


def test_a_limit_and_a_table(folder, data, kerastx_command):
    code, out, _ = kerastx_command(
        "evaluate", path_of(folder, "gpt2", "onnx"), "--data", data / "held.txt", "--limit", 2
    )
    assert code == 0
    assert [line.split() for line in out.splitlines()[:2]] == [["task", "language_model"], ["rows", "2"]]
    translator = path_of(folder, "t5", "tflite")
    options = ("--data", data / "pairs.tsv", "--limit", 2, "--beams", 2, "--max-new-tokens", 4, "--json")
    code, out, _ = kerastx_command("evaluate", translator, *options)
    assert (code, json.loads(out)["rows"]) == (0, 2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gpt2", ["--data", "none.txt"], "none.txt: there is no such file or folder"),
        ("gpt2", ["--data", "empty.txt"], "empty.txt: expected text, found none"),
        ("gpt2", ["--data", "held.txt", "--text-column", "a"], "a text file has no columns: leave --text-column out"),
        ("gpt2", ["--data", "held.txt", "--beams", 2], "leave --beams, --length-penalty and --max-new-tokens out"),
        ("gpt2", ["--data", "held.txt", "--data-target", "held.txt"], "has no use for a second file of lines"),
        ("gpt2", ["--data", "held.txt", "--label-column", "a"], "language_model has no use for --label-column"),
        ("t5", ["--data", "none.tsv"], "none.tsv: there is no such file"),
        ("t5", ["--data", "empty.tsv"], "empty.tsv"),
        ("t5", ["--data", "pairs.tsv", "--source-column", "a"], "expected a column a for --source-column"),
        ("t5", ["--data", "sources.txt", "--data-target", "short.txt"], "expected files of as many lines, got 3 in"),
        ("t5", ["--data", "pairs.tsv", "--documents", "file"], "seq2seq has no use for --documents"),
        ("t5", ["--data", "pairs.tsv", "--text-column", "a"], "seq2seq has no use for --text-column"),
    ],
)
def test_bad_data_is_one_line(folder, data, kerastx_command, monkeypatch, name, options, message):
    monkeypatch.chdir(data)
    for empty in ("empty.txt", "empty.tsv"):
        (data / empty).write_text("")
    (data / "short.txt").write_text("a dog ran\n")
    code, out, err = kerastx_command("evaluate", path_of(folder, name, "tflite"), *options)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: ")
    assert message in err


def test_what_answers_has_no_use_for_options_of_writers(exported, kerastx_command, data):
    file = exported("post-norm", "fp32")[1] / "classification-fp32.onnx"
    code, _, err = kerastx_command("evaluate", file, "--data", data / "pairs.tsv", "--beams", 2)
    assert (code, err) == (1, "error: --beams is of models that write, and this one is for classification\n")
    code, _, err = kerastx_command("evaluate", file, "--data", data / "pairs.tsv", "--source-column", "source")
    assert (code, err) == (
        1,
        "error: a model of the task classification has no use for --source-column: leave it out\n",
    )
    code, _, err = kerastx_command("score", file, "the cat")
    assert code == 1
    assert "is a classification file, which gives texts no probability" in err
