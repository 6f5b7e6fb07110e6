"""kerastx finetune span: answers are learned, found in contexts of any length, refused, exported and scored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kerastx.checkpoint.store import load_checkpoint
from kerastx.cli.app import main
from kerastx.runtime.session import load

START = Path(__file__).resolve().parent.parent / "golden" / "bert-model"
FAST = [
    "--from", str(START), "--learning-rate", "1e-2", "--max-length", "20", "--stride", "5", "--max-answer", "4",
    "--precision", "float32",
]  # fmt: skip
PHRASES = {"x": "x y", "v": "v w"}


def questions(count, seed):
    """Early letters, and among them phrases: "x?" asks for x y and "v?" for v w, which may not be there."""
    random = np.random.default_rng(seed)
    paragraphs = []
    for number in range(count):
        there = [phrase for phrase in PHRASES.values() if random.random() < 0.7]
        words = [random.choice(list("abc")) for _ in range(6)]
        for phrase in there:
            words.insert(random.integers(0, len(words) + 1), phrase)
        context = " ".join(map(str, words))
        rows = []
        for asked, phrase in PHRASES.items():
            found = [{"text": phrase, "answer_start": context.index(phrase)}] if phrase in there else []
            row = {"id": f"{number}{asked}", "question": f"{asked}?", "answers": found, "is_impossible": not found}
            rows.append(row)
        paragraphs.append({"context": context, "qas": rows})
    return {"version": "v2.0", "data": [{"title": "letters", "paragraphs": paragraphs}]}


def run(*arguments):
    with pytest.raises(SystemExit) as done:
        main([*map(str, arguments)])
    return done.value.code


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    for name, count, seed in (("train", 250, 1), ("dev", 40, 2)):
        (folder / f"{name}.json").write_text(json.dumps(questions(count, seed)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(files):
    output = files / "out"
    command = ["finetune", "span", "--train", files / "train.json", "--output", output, *FAST]
    assert run(*command, "--hold-out", "0.1", "--epochs", 6, "--patience", 6) == 0
    return output


def test_answers_are_slices_of_their_context(trained):
    checkpoint = load_checkpoint(trained)
    assert (checkpoint.task, checkpoint.labels, checkpoint.pair, checkpoint.max_length) == ("span", (), True, 20)
    assert (checkpoint.span.stride, checkpoint.span.max_answer_tokens) == (5, 4)
    context = " a b x  y c\nv w a"
    found = checkpoint(["x?", "v?"], [context, context])
    assert [answer.text for answer in found] == ["x  y", "v w"]
    assert all(context[answer.start : answer.end] == answer.text for answer in found)
    assert all(0.2 < answer.probability <= 1 for answer in found)
    one = checkpoint("x?", context)
    assert (one.text, one.start, one.end) == ("x  y", 5, 9)


def test_a_context_ten_times_longer_than_a_window_is_read(trained):
    checkpoint = load_checkpoint(trained)
    context = "a b c a " * 40 + "b x y c " + "b c a b " * 20
    answer = checkpoint("x?", context)
    assert answer.text == "x y"
    assert answer.start == context.index("x y")


def test_what_the_context_does_not_hold_is_no_answer(trained):
    checkpoint = load_checkpoint(trained)
    assert checkpoint.span.no_answer_threshold is not None
    found = checkpoint(["x?", "v?", "x?"], ["a b x y c a b", "a b x y c a b", ""])
    assert [bool(answer) for answer in found] == [True, False, False]
    assert found[1].text == ""
    assert "x y" in {candidate.text for candidate in found[1].candidates}


def test_dev_and_evaluate_give_the_same_scores(trained, files, capsys):
    command = ["finetune", "span", "--train", files / "train.json", "--dev", files / "dev.json", *FAST]
    command += ["--from", trained, "--epochs", 1, "--learning-rate", "1e-3", "--output", files / "b", "--json"]
    assert run(*command, "--limit", 200) == 0
    scores = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert scores["rows"] == 80
    assert scores["f1"] > 0.9
    assert run("evaluate", files / "b", "--data", files / "dev.json", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    names = ("f1", "exact_match", "f1_of_answerable", "no_answer_accuracy")
    assert again == {"task": "span", "rows": 80, **{name: scores[name] for name in names}}


def test_what_is_wrong_is_one_line(trained, files, tmp_path, capsys):
    bad = tmp_path / "bad.json"
    nowhere = questions(3, 1)
    for paragraph in nowhere["data"][0]["paragraphs"]:
        paragraph["qas"] = [{"id": paragraph["context"], "question": "q", "answers": [], "is_impossible": True}]
    for content, message in (
        ('{"data": 1}', "bad.json:1: expected"),
        (json.dumps(nowhere), "bad.json: expected some answer that is part of its context, got none"),
    ):
        bad.write_text(content, encoding="utf-8")
        assert run("finetune", "span", "--train", bad, "--output", tmp_path / "out", *FAST) == 1
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error
        assert not (tmp_path / "out").exists()
    assert run("evaluate", trained, "--data", files / "dev.json", "--label-column", "a") == 1
    assert "columns cannot be named for questions" in capsys.readouterr().err
    assert run("finetune", "span", "--train", files / "train.json", "--output", trained, *FAST) == 1
    assert "exists; choose another output or use --force" in capsys.readouterr().err


def test_a_checkpoint_answers_questions_with_contexts_only(trained):
    checkpoint = load_checkpoint(trained)
    with pytest.raises(ValueError, match="answered out of a context: give it as the second argument"):
        checkpoint("x?")
    with pytest.raises(ValueError, match="contexts must be as many as questions, got 1 and 2"):
        checkpoint(["x?", "v?"], ["a"])
    with pytest.raises(TypeError, match="context 0 must be a string, got int"):
        checkpoint(["x?"], [1])
    context = "a b x y c a"
    assert checkpoint(["x?", "v?"], context) == checkpoint(["x?", "v?"], [context] * 2)


@pytest.fixture(scope="module")
def exported(trained, files):
    output = files / "files"
    assert run("export", trained, "--dev", files / "dev.json", "--output", output) == 0
    return output, json.loads((output / "report.json").read_text(encoding="utf-8"))


def test_files_give_the_same_answers(trained, files, exported, capsys):
    output, report = exported
    checkpoint = load_checkpoint(trained)
    context = "a b c a " * 30 + "b x y c v w " + "b c a b " * 20
    expected = checkpoint(["x?", "v?", "x?"], [context, context, "a b"])
    for file in report["files"]:
        path = output / file["file"]
        assert file["agreement"]["unit"] == "questions"
        assert [score["metric"] for score in file["scores"]] == ["answer_f1", "exact_match"]
        assert file["score"]["rows"] == 80
        assert file["score"]["file"] > 0.9
        session = load(path)
        assert session.manifest.span == checkpoint.span.to_dict()
        found = session(["x?", "v?", "x?"], [context, context, "a b"])
        assert session(["x?", "v?"], context) == session(["x?", "v?"], [context, context])
        places = [(one.text, one.start, one.end) for one in expected]
        assert [(one.text, one.start, one.end) for one in found] == places
        np.testing.assert_allclose([one.probability for one in found], [one.probability for one in expected], atol=0.1)
        with pytest.raises(ValueError, match="answers questions has no numbers for whole texts"):
            session.predict(["x?"], ["a"])
        with pytest.raises(ValueError, match="give it as the second argument"):
            session("x?")
        with pytest.raises(ValueError, match="a file for span finds no entities"):
            session.tag(["x"])
        assert run("evaluate", path, "--data", files / "dev.json", "--json") == 0
        assert json.loads(capsys.readouterr().out)["f1"] == pytest.approx(file["score"]["file"])
        assert run("verify", path, "--checkpoint", trained, "--dev", files / "dev.json") == 0
        assert f"answer F1 on 80 rows: {file['score']['file']:.2%}" in capsys.readouterr().out


def test_run_prints_answers(exported, tmp_path, capsys):
    output, report = exported
    path = output / report["files"][1]["file"]
    assert run("run", path, "x?", "a b x y c a", "v?", "a b x y c a") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [("x y", "x?"), ("-", "v?")]
    context = tmp_path / "context.txt"
    context.write_text("a b\nx y c\n", encoding="utf-8")
    assert run("run", path, "x?", "--context", context, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["question"], found["answer"], found["start"], found["end"]) == ("x?", "x y", 4, 7)
    assert found["candidates"][0]["text"] == "x y"
    assert run("run", path, "x?", "--context", tmp_path / "none.txt") == 1
    assert "there is no such file" in capsys.readouterr().err
    assert run("run", path, "x?") == 1
    assert "answers questions: expected QUESTION CONTEXT, or questions with --context FILE" in capsys.readouterr().err


def test_a_file_of_another_task_takes_no_context(exported, classifier, tmp_path, capsys):
    assert run("export", classifier, "--recipe", "fp32", "--formats", "onnx", "--output", tmp_path / "files") == 0
    capsys.readouterr()
    path = tmp_path / "files" / "classification-fp32.onnx"
    assert run("run", path, "x", "--context", tmp_path / "a.txt") == 1
    assert "answers no questions but classification: leave --context out" in capsys.readouterr().err
