"""The verbs around files of pairs, numbers, sets of labels and vectors."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import sys

import numpy as np
import pytest
from scipy import stats
from small_classifier import small_classifier, small_texts

from kerastx.checkpoint.store import Checkpoint, build_model, save_checkpoint
from kerastx.runtime.session import load

TEXTS, SECONDS = small_texts(40)[:20], small_texts(40)[20:]
KINDS = {
    "multi_label": {"labels": ("red", "green", "blue")},
    "regression": {"labels": (), "pair": True},
    "embedding": {"labels": ()},
}


@pytest.fixture(scope="module")
def checkpoint_of():
    """A function from task to a small checkpoint whose answers differ from text to text."""

    @functools.cache
    def make(task: str) -> Checkpoint:
        base = small_classifier()
        choices = KINDS[task]
        model = build_model(task, base.config, choices["labels"])
        noise = np.random.default_rng(20)
        for variable in model.weights:
            variable.assign(variable.numpy() + noise.normal(0, 0.3, variable.shape))
        return dataclasses.replace(base, model=model, task=task, **choices)

    return make


@pytest.fixture(scope="module")
def folder_of(checkpoint_of, tmp_path_factory):
    """A function from task to the folder of its checkpoint and of an export of it to ONNX."""

    @functools.cache
    def make(task: str):
        from kerastx_export.export import export_checkpoint

        folder = tmp_path_factory.mktemp(task)
        save_checkpoint(folder / "checkpoint", checkpoint_of(task))
        export_checkpoint(checkpoint_of(task), folder / "out", formats=["onnx"], recipe="fp32")
        return folder

    return make


@pytest.fixture
def file_of(folder_of):
    return lambda task: folder_of(task) / "out" / f"{task}-fp32.onnx"


def stdin(monkeypatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_run_prints_the_labels_that_a_text_has(kerastx, file_of):
    code, out, err = kerastx("run", file_of("multi_label"), *TEXTS)
    assert (code, err) == (0, "")
    answers = load(file_of("multi_label"))(TEXTS)
    expected = [f"{','.join(answer.labels) or '-'}\t{text}" for answer, text in zip(answers, TEXTS, strict=True)]
    assert out.splitlines() == expected
    assert len({line.split("\t")[0] for line in expected}) > 1
    code, out, _ = kerastx("run", file_of("multi_label"), TEXTS[0], "--json")
    found = json.loads(out)
    assert (found["text"], found["labels"]) == (TEXTS[0], list(answers[0].labels))
    assert found["probabilities"] == pytest.approx(answers[0].probabilities, abs=1e-5)


def test_run_prints_the_number_of_a_pair(kerastx, file_of, monkeypatch):
    path = file_of("regression")
    answers = load(path)(TEXTS[:2], SECONDS[:2])
    expected = "".join(
        f"{answer.score:.4f}\t{text}\t{pair}\n" for answer, text, pair in zip(answers, TEXTS, SECONDS, strict=False)
    )
    assert kerastx("run", path, TEXTS[0], SECONDS[0], TEXTS[1], SECONDS[1]) == (0, expected, "")
    stdin(monkeypatch, f"{TEXTS[0]}\t{SECONDS[0]}\r\n{TEXTS[1]}\t{SECONDS[1]}")
    assert kerastx("run", path) == (0, expected, "")
    code, out, _ = kerastx("run", path, "--json", TEXTS[0], SECONDS[0])
    assert code == 0
    assert json.loads(out) == {
        "text": TEXTS[0],
        "pair": SECONDS[0],
        "score": pytest.approx(answers[0].score, abs=1e-5),
    }


def test_run_says_which_pair_is_incomplete(kerastx, file_of, monkeypatch):
    code, out, err = kerastx("run", file_of("regression"), "a", "b", "c")
    assert (code, out) == (1, "")
    assert err == "error: this file answers pairs: expected TEXT PAIR [TEXT PAIR ...], got 3 texts\n"
    stdin(monkeypatch, "a\tb\nno tab here\n")
    code, out, err = kerastx("run", file_of("regression"))
    assert (code, out) == (1, "")
    assert err == "error: stdin:2: this file answers pairs: expected text, tab, pair, got a line without a tab\n"


def test_vectors_are_printed_as_json_only(kerastx, file_of):
    code, out, err = kerastx("run", file_of("embedding"), "a text")
    assert (code, out) == (1, "")
    problem = "answers vectors, which are printed as JSON only: add --json, or --similarity"
    assert err == f"error: {file_of('embedding')} {problem}\n"
    code, out, _ = kerastx("run", file_of("embedding"), "a text", "--json")
    found = json.loads(out)
    assert code == 0
    assert found.keys() == {"text", "vector"}
    np.testing.assert_allclose(found["vector"], load(file_of("embedding"))("a text"), atol=1e-6)


@pytest.fixture
def pair_rows(tmp_path, checkpoint_of):
    """Rows of pairs with numbers that the regression is about right on, under names of their own."""
    from kerastx.checkpoint.answering import predict

    scores = predict(checkpoint_of("regression"), TEXTS, SECONDS)["score"][:, 0]
    noise = np.random.default_rng(3).normal(0, scores.std() / 3, len(scores))
    lines = ["one\ttwo\tsize"] + [
        f"{text}\t{pair}\t{score:.5f}" for text, pair, score in zip(TEXTS, SECONDS, scores + noise, strict=True)
    ]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns = ("--text-column", "one", "--pair-column", "two", "--label-column", "size")
    return tmp_path / "pairs.tsv", columns


def test_files_of_pairs_are_exported_and_verified_on_rows_of_pairs(kerastx, folder_of, pair_rows, tmp_path):
    rows, columns = pair_rows
    checkpoint = folder_of("regression") / "checkpoint"
    command = ("--output", tmp_path / "out", "--formats", "onnx", "--recipe", "fp32", "--dev", rows, *columns)
    code, out, err = kerastx("export", checkpoint, *command, "--json")
    assert code == 0, err
    (file,) = json.loads(out)["files"]
    assert (file["score"]["metric"], file["score"]["rows"]) == ("spearman", 20)
    assert 0.6 < file["score"]["keras"] < 1
    path = tmp_path / "out" / "regression-fp32.onnx"
    code, out, err = kerastx("verify", path, "--checkpoint", checkpoint, "--dev", rows, *columns)
    assert code == 0, err
    assert f"Spearman correlation on 20 rows: {file['score']['file']:.4f}" in out


def test_evaluate_scores_file_and_checkpoint_alike(kerastx, folder_of, file_of, pair_rows):
    rows, columns = pair_rows
    found = []
    for source in (file_of("regression"), folder_of("regression") / "checkpoint"):
        code, out, err = kerastx("evaluate", source, "--data", rows, *columns, "--json")
        assert code == 0, err
        found.append(json.loads(out))
    wanted = [float(line.split("\t")[2]) for line in rows.read_text().splitlines()[1:]]
    answered = load(file_of("regression")).predict(TEXTS, SECONDS)["score"][:, 0]
    assert (found[0]["task"], found[0]["rows"]) == ("regression", 20)
    assert found[0]["spearman"] == pytest.approx(stats.spearmanr(answered, wanted).statistic)
    assert found[1] == pytest.approx(found[0], abs=1e-3)


def test_evaluate_scores_sets_of_labels(kerastx, file_of, tmp_path):
    path = tmp_path / "sets.jsonl"
    path.write_text("".join(json.dumps({"text": text, "labels": ["red", "blue"]}) + "\n" for text in TEXTS))
    code, out, err = kerastx("evaluate", file_of("multi_label"), "--data", path, "--json")
    assert code == 0, err
    given = load(file_of("multi_label")).predict_probabilities(TEXTS) >= 0.5
    hits = given[:, [0, 2]].sum()
    assert json.loads(out)["micro_f1"] == pytest.approx(2 * hits / (given.sum() + 2 * len(TEXTS)))


def test_vectors_are_scored_by_the_similarity_of_rated_pairs(kerastx, folder_of, file_of, pair_rows, tmp_path):
    rows, columns = pair_rows
    checkpoint = folder_of("embedding") / "checkpoint"
    session = load(file_of("embedding"))
    cosines = [session(one) @ session(two) for one, two in zip(TEXTS, SECONDS, strict=True)]
    rated = [float(line.split("\t")[2]) for line in rows.read_text().splitlines()[1:]]
    expected = stats.spearmanr(cosines, rated).statistic
    for source in (file_of("embedding"), checkpoint):
        code, out, err = kerastx("evaluate", source, "--data", rows, *columns, "--json")
        assert code == 0, err
        assert json.loads(out)["spearman"] == pytest.approx(expected, abs=1e-6)
    command = ("--output", tmp_path / "out", "--formats", "onnx", "--dev", rows, *columns, "--json")
    code, out, err = kerastx("export", checkpoint, *command)
    assert code == 0, err
    (file,) = json.loads(out)["files"]
    score = file["score"]
    assert (score["metric"], score["rows"]) == ("spearman", 20)
    assert score["keras"] == pytest.approx(expected, abs=1e-6)
    path = tmp_path / "out" / "embedding-dynamic_wi8_afp32.onnx"
    code, out, err = kerastx("evaluate", path, "--data", rows, *columns, "--json")
    assert json.loads(out)["spearman"] == pytest.approx(score["file"], abs=1e-6)
    code, out, err = kerastx("verify", path, "--checkpoint", checkpoint, "--dev", rows, *columns)
    assert code == 0, err
    assert f"Spearman correlation on 20 rows: {score['file']:.4f}" in out


def test_run_prints_how_alike_two_texts_are(kerastx, file_of, monkeypatch):
    session = load(file_of("embedding"))
    cosine = float(session(TEXTS[0]) @ session(SECONDS[0]))
    code, out, err = kerastx("run", file_of("embedding"), "--similarity", TEXTS[0], SECONDS[0], TEXTS[1], TEXTS[1])
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"{cosine:.4f}\t{TEXTS[0]}\t{SECONDS[0]}", f"1.0000\t{TEXTS[1]}\t{TEXTS[1]}"]
    stdin(monkeypatch, f"{TEXTS[0]}\t{SECONDS[0]}\n")
    code, out, _ = kerastx("run", file_of("embedding"), "--similarity", "--json")
    assert json.loads(out) == {"text": TEXTS[0], "pair": SECONDS[0], "score": pytest.approx(cosine, abs=1e-5)}
    code, out, err = kerastx("run", file_of("multi_label"), "--similarity", "a", "b")
    assert (code, out) == (1, "")
    assert err == f"error: {file_of('multi_label')} answers no vectors but multi_label: leave --similarity out\n"
