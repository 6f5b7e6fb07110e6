"""The search finds what it is asked for, says where it stands, and computes a vector once."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import time

import numpy as np
import pytest
from small_classifier import small_classifier, small_texts

from kerastx.checkpoint.store import build_model
from kerastx_export.export import export_checkpoint


@pytest.fixture(scope="module")
def example(repository):
    spec = importlib.util.spec_from_file_location("semantic_search", repository / "examples" / "semantic_search.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    base = small_classifier()
    model = build_model("embedding", base.config)
    noise = np.random.default_rng(20)
    for variable in model.weights:
        variable.assign(variable.numpy() + noise.normal(0, 0.3, variable.shape))
    checkpoint = dataclasses.replace(base, model=model, task="embedding", labels=())
    folder = tmp_path_factory.mktemp("search")
    return export_checkpoint(checkpoint, folder, formats=["onnx"], recipe="fp32").paths[0]


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    (folder / "deeper").mkdir(parents=True)
    passages = small_texts(12)
    (folder / "a.txt").write_text("\n\n".join(passages[:6]) + "\n", encoding="utf-8")
    (folder / "deeper" / "b.md").write_text("\n" + "\n\n".join(passages[6:]), encoding="utf-8")
    (folder / "c.bin").write_bytes(b"\xff\xfe")
    return folder, passages


def test_a_passage_finds_itself(example, file, texts, tmp_path, monkeypatch, capsys):
    folder, passages = texts
    command = ["--texts", str(folder), "--file", str(file), "--output", str(tmp_path / "out"), "--top", "3"]
    answers = example.main([*command, passages[4], passages[8]])
    assert [len(places) for places in answers] == [3, 3]
    assert answers[0][0] == f"{folder / 'a.txt'}:9"
    assert answers[1][0] == f"{folder / 'deeper' / 'b.md'}:6"
    assert "1.000" in capsys.readouterr().out
    asked = []
    predict = example.kerastx.runtime.session.Session.predict
    monkeypatch.setattr(
        example.kerastx.runtime.session.Session,
        "predict",
        lambda self, texts, pairs=None: asked.append(len(texts)) or predict(self, texts, pairs),
    )
    (folder / "d.txt").write_text("one more passage", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("one more passage\n\n"))
    assert example.main(command)[0][0] == f"{folder / 'd.txt'}:1"
    assert asked == [1, 1]  # the new passage and the query


def test_nothing_to_search(example, file, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="expected text in .txt, .md, .rst, .py files, found none"):
        example.main(["--texts", str(tmp_path / "empty"), "--file", str(file), "--output", str(tmp_path / "out"), "a"])


@pytest.fixture(scope="module")
def many_vectors():
    vectors = np.random.default_rng(3).random((100_000, 384), np.float32) - 0.5
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_hundred_thousand_vectors(example, many_vectors):
    found = example.search(many_vectors, many_vectors[77_777], 10)
    assert found[0] == (77_777, pytest.approx(1.0, abs=1e-5))
    cosines = many_vectors @ many_vectors[77_777]
    assert [row for row, _ in found] == np.argsort(-cosines)[:10].tolist()


def test_a_query_of_a_hundred_thousand_vectors_takes_milliseconds(example, many_vectors):
    seconds = []
    for row in range(7):
        started = time.perf_counter()
        example.search(many_vectors, many_vectors[row], 10)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.1  # about 0.02 of them; a busy machine is slower
