"""kerastx finetune tag: entities are learned, found in plain text of any length, and scored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kerastx.checkpoint.store import load_checkpoint
from kerastx.cli.app import main
from kerastx.runtime.session import load

START = Path(__file__).resolve().parent.parent / "golden" / "bert-model"
FAST = ["--from", str(START), "--learning-rate", "1e-2", "--max-length", "16", "--precision", "float32"]


def sentences(count, seed):
    """Early letters, and among them entities: x y is a NAME, v w a PLACE."""
    random = np.random.default_rng(seed)
    blocks = []
    for _ in range(count):
        lines = []
        for _ in range(3):
            lines += [f"{random.choice(list('abc'))} O" for _ in range(random.integers(1, 3))]
            kind = random.integers(0, 2)
            label = ("NAME", "PLACE")[kind]
            lines += [f"{word} {position}-{label}" for word, position in zip(("xy", "vw")[kind], "BI", strict=True)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tags")
    for name, count, seed in (("train", 150, 1), ("dev", 40, 2)):
        (folder / f"{name}.conll").write_text(sentences(count, seed), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(files):
    output = files / "out"
    with pytest.raises(SystemExit) as done:
        main(
            ["finetune", "tag", "--train", str(files / "train.conll"), "--output", str(output), "--epochs", "8", *FAST]
        )
    assert done.value.code == 0
    return output


def test_entities_are_found_in_plain_text(trained):
    checkpoint = load_checkpoint(trained)
    assert (checkpoint.task, checkpoint.labels) == ("tagging", ("NAME", "PLACE"))
    text = " a b x  y c\nv w a"
    found = checkpoint(text)
    assert [(entity.text, entity.label) for entity in found] == [("x  y", "NAME"), ("v w", "PLACE")]
    assert all(text[entity.start : entity.end] == entity.text for entity in found)
    assert all(0.5 < entity.probability <= 1 for entity in found)
    assert checkpoint(["", "a"]) == [[], []]


def test_a_long_text_is_read_to_its_end(trained):
    checkpoint = load_checkpoint(trained)
    text = "a b x y " * 40
    found = checkpoint(text)
    assert len(found) > 36  # windows of 16 tokens, and of 40 names hardly one is lost
    assert found[-1].start > len(text) - 8


def test_dev_and_evaluate_give_the_same_scores(trained, files, capsys):
    command = ["finetune", "tag", "--train", str(files / "train.conll"), "--dev", str(files / "dev.conll")]
    with pytest.raises(SystemExit) as done:
        main(
            [
                *command,
                *FAST,
                "--from",
                str(trained),
                "--epochs",
                "1",
                "--learning-rate",
                "1e-3",
                "--output",
                str(files / "b"),
                "--json",
            ]
        )
    assert done.value.code == 0
    scores = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert scores["f1"] > 0.95
    with pytest.raises(SystemExit) as done:
        main(["evaluate", str(files / "b"), "--data", str(files / "dev.conll"), "--json"])
    assert done.value.code == 0
    again = json.loads(capsys.readouterr().out)
    assert again == {"task": "tagging", "rows": 40, **{name: scores[name] for name in ("f1", "precision", "recall")}}


def test_what_is_wrong_is_one_line(trained, files, tmp_path, capsys):
    bad = tmp_path / "bad.conll"
    for content, message in (
        ("a O\n", "expected some entity, got only the tag O"),
        ("a QQ\n", "bad.conll:1: expected a tag"),
    ):
        bad.write_text(content)
        with pytest.raises(SystemExit) as stopped:
            main(["finetune", "tag", "--train", str(bad), "--output", str(tmp_path / "out"), *FAST])
        assert stopped.value.code == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_evaluate_says_what_is_wrong_in_one_line(trained, files, tmp_path, kerastx):
    unseen, without = tmp_path / "unseen.conll", tmp_path / "without.conll"
    unseen.write_text("a O\n\na O\nx B-PERSON\n")
    without.write_text("a O\n")
    for options, message in (
        ((unseen,), f"{unseen}:4: expected one of the labels NAME, PLACE, got 'PERSON' (word 2)"),
        ((without,), f"{without}: expected some entity, got only the tag O"),
        ((files / "dev.conll", "--text-column", "0"), f"{files / 'dev.conll'}: columns cannot be named for tagged"),
    ):
        code, out, err = kerastx("evaluate", trained, "--data", *options)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"error: {message}")


def test_a_word_of_a_megabyte_is_read_over(trained):
    found = load_checkpoint(trained)("x y " + "a" * 1_000_000 + " v w")
    assert [(entity.text, entity.label) for entity in found][:1] == [("x y", "NAME")]
    assert all(entity.end <= 1_000_008 for entity in found)


def test_files_find_the_same_entities(trained, files, tmp_path, capsys):
    output = tmp_path / "files"
    with pytest.raises(SystemExit) as done:
        main(["export", str(trained), "--dev", str(files / "dev.conll"), "--output", str(output), "--json"])
    assert done.value.code == 0
    report = json.loads(capsys.readouterr().out)
    checkpoint = load_checkpoint(trained)
    text = "a b x y " * 40 + "a\tv w"
    expected = checkpoint(text)
    for file in report["files"]:
        path = output / file["file"]
        assert file["agreement"]["unit"] == "tokens"
        assert (file["score"]["metric"], file["score"]["rows"]) == ("entity_f1", 40)
        assert file["score"]["file"] > 0.95
        session = load(path)
        found = session(text)
        assert [(one.text, one.label, one.start, one.end) for one in found] == [
            (one.text, one.label, one.start, one.end) for one in expected
        ]
        np.testing.assert_allclose([one.probability for one in found], [one.probability for one in expected], atol=0.05)
        assert session(["", "x y"])[0] == []
        with pytest.raises(ValueError, match="has no numbers for whole texts"):
            session.predict([text])
        with pytest.raises(SystemExit) as done:
            main(["evaluate", str(path), "--data", str(files / "dev.conll"), "--json"])
        assert done.value.code == 0
        assert json.loads(capsys.readouterr().out)["f1"] == pytest.approx(file["score"]["file"])
        with pytest.raises(SystemExit) as done:
            main(["verify", str(path), "--checkpoint", str(trained), "--dev", str(files / "dev.conll")])
        assert done.value.code == 0
        assert f"entity F1 on 40 rows: {file['score']['file']:.2%}" in capsys.readouterr().out


def test_run_prints_entities(trained, tmp_path, capsys):
    with pytest.raises(SystemExit) as done:
        main(["export", str(trained), "--recipe", "fp32", "--formats", "onnx", "--output", str(tmp_path / "files")])
    assert done.value.code == 0
    path = str(tmp_path / "files" / "tagging-fp32.onnx")
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main(["run", path, "a x y b v w", "a"])
    assert done.value.code == 0
    assert capsys.readouterr().out.splitlines() == ["NAME: x y; PLACE: v w\ta x y b v w", "-\ta"]
    with pytest.raises(SystemExit) as done:
        main(["run", path, "a x y", "--json"])
    (entity,) = json.loads(capsys.readouterr().out)["entities"]
    assert (entity["text"], entity["label"], entity["start"], entity["end"]) == ("x y", "NAME", 2, 5)
    assert 0.5 < entity["probability"] <= 1
