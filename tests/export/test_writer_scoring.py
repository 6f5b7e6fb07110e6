"""Files that write say of texts what Keras says of them, without TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import writing_checkpoints

import kerastx
from kerastx.checkpoint.text_scores import next_words, score
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
