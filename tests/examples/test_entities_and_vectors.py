"""The examples of a tagger and a sentence encoder run to their files, on data of their own and as it is published."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import kerastx
from kerastx.data.python_docs import library_files

TINY = "--batch-size 8 --max-length 16 --learning-rate 1e-2".split()


def example(repository, name: str):
    spec = importlib.util.spec_from_file_location(name, repository / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start(repository):
    return ["--from", str(repository / "tests" / "golden" / "bert-model")]


@pytest.fixture
def small_library(monkeypatch):
    """Three packages in place of the whole library, which takes seconds to read."""
    files = library_files(("asyncio", "email", "logging"))
    monkeypatch.setattr("kerastx.data.spoken_python.library_files", lambda: files)


def tagged(count: int, seed: int) -> str:
    """x y is a NAME wherever it stands, w is a PLACE behind a."""
    random = np.random.default_rng(seed)
    parts = ("x B-NAME\ny I-NAME\n", "a O\nw B-PLACE\n", "b O\nw O\n")
    return "\n".join("".join(parts[number] for number in random.integers(0, 3, 3)) for _ in range(count))


@pytest.mark.slow
def test_a_tagger_of_published_files(repository, start, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "eng.train").write_text(tagged(200, 1))
    (tmp_path / "data" / "eng.testa").write_text(tagged(40, 2))
    places = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "out"), "--picture", str(tmp_path / "a.png")]
    score = example(repository, "tagging").main([*start, *places, *TINY, "--epochs", "8"])
    assert score > 0.8
    shown = capsys.readouterr().out
    assert f"entity F1 of the file {score:.4f}; by words alone " in shown
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    for suffix in ("tflite", "onnx"):
        session = kerastx.load(tmp_path / "out" / "export" / f"tagging-dynamic_wi8_afp32.{suffix}")
        assert [(one.text, one.label) for one in session("a w x y b w")] == [("w", "PLACE"), ("x y", "NAME")]


@pytest.mark.slow
def test_a_tagger_of_what_every_python_has(repository, start, small_library, tmp_path):
    options = [*TINY, "--limit", "40", "--epochs", "1", "--output", str(tmp_path / "out")]
    assert 0 <= example(repository, "tagging").main([*start, *options]) <= 1
    assert (tmp_path / "out" / "data" / "dev.conll").exists()


def test_a_folder_without_tagged_words(repository, start, tmp_path):
    arguments = [*start, "--data", str(tmp_path), "--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match=r"expected .*eng.train.*, found none of them"):
        example(repository, "tagging").main(arguments)


def test_f1_and_words_alone(repository, tmp_path):
    tagging = example(repository, "tagging")
    for name, content in (("train", "a O\nx B-A\n\nx B-A\n"), ("dev", "x B-A\nnew B-A\na O\n")):
        (tmp_path / name).write_text(content)
    train, dev = (kerastx.read_tagged(tmp_path / name, labels=["A"]) for name in ("train", "dev"))
    assert tagging.by_words_alone(train, dev) == [[(0, 1, "A")]]
    assert tagging.f1([sentence.entities for sentence in dev.sentences], [[(0, 1, "A")]]) == pytest.approx(2 / 3)
    assert tagging.f1([[]], [[]]) == 0


@pytest.mark.slow
def test_vectors_of_rated_pairs(repository, start, tmp_path, capsys):
    random = np.random.default_rng(4)
    for name, count in (("train", 200), ("dev", 60)):
        rows = []
        for _ in range(count):
            sides = random.integers(0, 2, 2)
            texts = [" ".join(random.choice(list(("abcd", "wxyz")[side]), 3)) for side in sides]
            rows.append("\t".join(["g", "f", "y", "1", str(5 * (sides[0] == sides[1])), *texts]))
        (tmp_path / f"sts-{name}.csv").write_text("\n".join(rows) + "\n")
    places = ["--data", str(tmp_path), "--output", str(tmp_path / "out"), "--picture", str(tmp_path / "a.png")]
    before, after = example(repository, "sentence_embeddings").main([*start, *places, *TINY, "--epochs", "3"])
    assert after > max(0.8, before)
    assert f"Spearman's correlation before training {before:.4f}, of the file {after:.4f}" in capsys.readouterr().out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    for suffix in ("tflite", "onnx"):
        session = kerastx.load(tmp_path / "out" / "export" / f"embedding-dynamic_wi8_afp32.{suffix}")
        one, same, other = session(["a b c", "d a a", "x y z"])
        assert one @ same > one @ other


@pytest.mark.slow
def test_vectors_of_what_every_python_has(repository, start, small_library, tmp_path):
    options = [*TINY, "--limit", "40", "--epochs", "1", "--output", str(tmp_path / "out")]
    before, after = example(repository, "sentence_embeddings").main([*start, *options])
    assert 0 <= min(before, after) <= max(before, after) <= 1
    assert (tmp_path / "out" / "data" / "dev.tsv").exists()


def test_rows_that_share_a_text_find_each_other(repository, tmp_path):
    (tmp_path / "rows.tsv").write_text("query\tanswer\na\tb\na\tc\nd\te\n")
    rows = kerastx.read_labelled(tmp_path / "rows.tsv", task="positives")
    one, other = np.eye(3, dtype=np.float32)[[0, 0, 2]], np.eye(3, dtype=np.float32)[[1, 0, 1]]
    assert example(repository, "sentence_embeddings").score((one, other), rows) == pytest.approx(2 / 3)
