"""A file answers on a machine that has numpy and one engine, and none of what trained it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_classifier import small_texts

import kerastx
from kerastx.runtime.session import Session, load

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
ANSWER = """
import sys, time
started = time.perf_counter()

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked: the runtime must do without it")

BLOCKED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Block())
import kerastx
answers = kerastx.load(sys.argv[2])(sys.argv[3:])
print(f"import, load and answer: {time.perf_counter() - started:.2f} s", file=sys.stderr)
assert not BLOCKED & set(sys.modules)
for answer in answers:
    print(answer.label, repr(answer.probability))
"""
HEAVY = "keras,tensorflow,tensorflow_text,torch,jax,sklearn,scipy,safetensors,h5py,onnx,tf2onnx,typer,rich,matplotlib"


@pytest.mark.parametrize(
    ("engine_format", "other_engine"),
    [("tflite", "onnxruntime"), ("onnx", "ai_edge_litert")],
)
def test_a_file_answers_without_what_trained_it(exported, engine_format, other_engine):
    path, texts = exported(engine_format), small_texts()[:4]
    command = [sys.executable, "-c", ANSWER, f"{HEAVY},{other_engine}", str(path), *texts]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stderr.splitlines()[-1])  # a time is shown, never asserted
    found = [
        (label, pytest.approx(float(value), abs=1e-6)) for label, value in map(str.split, done.stdout.splitlines())
    ]
    assert found == [(answer.label, answer.probability) for answer in load(path)(texts)]


WITHOUT_LIBRARY = """
import sys
sys.modules["tokenizers"] = None
import kerastx
print(repr(kerastx.load(sys.argv[1])(*sys.argv[2:])))
assert sys.modules["tokenizers"] is None
"""
COMMAND = """
import sys
sys.modules["tokenizers"] = None
from kerastx.cli.app import main
main(sys.argv[1:])
"""
LONG = "The owner of the old café paid, they'll say; the cat sat on the mat! 今天天气很好。 " * 12


def python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("roberta-classifier", ()),
        ("bert-tagger", ()),
        ("bert-questions", ("Who paid?",)),
        pytest.param("roberta-tagger", (), marks=pytest.mark.slow),
        pytest.param("roberta-questions", ("Who paid?",), marks=pytest.mark.slow),
    ],
)
def test_a_file_with_its_tokenizer_answers_without_the_library(name, question, tmp_path):
    checkpoint = kerastx.load(str(GOLDEN / name))
    kerastx.export(checkpoint, tmp_path, formats=("tflite",), recipe="fp32", inputs="both")
    (path,) = tmp_path.glob("*.tflite")
    done = python(WITHOUT_LIBRARY, path, *question, LONG)
    assert done.returncode == 0, done.stderr
    session = load(path)
    by_library = Session(session.manifest, checkpoint.tokenizer, session.engine)
    # The same to the last bit: the ids are the same.
    assert done.stdout == repr(by_library(*question, LONG)) + "\n"


def test_the_command_line_answers_without_the_library(exported):
    taking_text = exported("tflite")
    done = python(COMMAND, "run", taking_text, *small_texts()[:3])
    assert done.returncode == 0, done.stderr
    answers = load(taking_text)(small_texts()[:3])
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [answer.label for answer in answers]


@pytest.mark.parametrize("engine_format", ["tflite", "onnx"])
def test_a_file_of_ids_says_what_it_lacks(classifier, tmp_path, engine_format):
    kerastx.export(classifier, tmp_path, formats=(engine_format,), recipe="fp32", inputs="ids")
    done = python(WITHOUT_LIBRARY, tmp_path / f"classification-fp32.{engine_format}", "a text")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "MissingExtraError: tokenizers is needed for this and is not installed; run: "
        "pip install 'kerastx[tokenizers]', or export a .tflite with --input both, which needs none\n"
    )


def test_work_with_texts_says_what_it_lacks(tmp_path):
    (tmp_path / "corpus.txt").write_text("One line.\n" * 9)
    options = ("--corpus", tmp_path / "corpus.txt", "--vocabulary-size", 200, "--output", tmp_path / "store")
    done = python(COMMAND, "prepare", *options)
    assert done.returncode == 1
    expected = "error: tokenizers is needed for this and is not installed; run: pip install 'kerastx[tokenizers]'\n"
    assert done.stderr == expected
    assert not (tmp_path / "store").exists()


def test_the_block_blocks(exported):
    command = [sys.executable, "-c", ANSWER, "onnxruntime", str(exported("onnx")), "text"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "pip install 'kerastx[onnx]'" in done.stderr
