"""What is wrong in the data of a tagger or sentence encoder is one line with its place, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

START = Path(__file__).resolve().parent.parent / "golden" / "bert-model"
RATED = "sentence1\tsentence2\tscore\n"
TOGETHER = "query\tanswer\n"
GOOD = {
    "tag": "a O\nxy B-A\nz I-A\nw B-B\n",
    "embed": f"{RATED}a\tb\t1\nc\td\t2\n",
    "positives": f"{TOGETHER}a\tb\nc\td\n",
}
NAMES = {"tag": "rows.conll", "embed": "rows.tsv", "positives": "rows.tsv"}
MEGABYTE = "x" * 1_000_000

# Verb, content, what the line says behind the name of the file.
WRONG = {
    "a tag that goes on with nothing": ("tag", "a B-A\nb O\nc M-A\n", ":3: expected M-A behind a tag"),
    "a tag that goes on with another": ("tag", "a B-A\nb E-B\n", ":2: expected E-B behind a tag"),
    "a tag in lower case": ("tag", "a b-per\n", ":1: expected a tag such as O, B-PER or I-PER, got 'b-per'"),
    "a tag without its label": ("tag", "a O\nb B-\n", ":2: expected a tag"),
    "a tag of a megabyte": ("tag", f"a {MEGABYTE}\n", ":1: expected a tag such as O, B-PER or I-PER, got 'xxx"),
    "a word without a tag": ("tag", f"a O\n{MEGABYTE}\n", ":2: expected a word and its tag, got 'xxx"),
    "no word": ("tag", "a O\n\tO\n", ":2: expected a word and its tag, got 'O'"),
    "a word with NUL": ("tag", "a O\nb\0c B-A\n", ":2: expected text, got a NUL character (word 2)"),
    "columns with names": ("tag", "id word tag\n1 a B-A\n", ":1: expected a tag such as O, B-PER or I-PER, got 'tag'"),
    "a column of counts": ("tag", "1 a B-A\n2 b O\n", ":1: expected a word, got a column of counts"),
    "no sentence": ("tag", "\n \n-DOCSTART- -X- O O\n", ": the file holds no sentences"),
    "no entity": ("tag", "a O\n", ": expected some entity, got only the tag O"),
    "tagged words of other bytes": ("tag", b"a O\n\xff B-A\n", ":2: expected UTF-8 text, got byte 0xff"),
    "no first text": ("embed", f"{RATED}\tb\t1\n", ":2: expected a text, got an empty one"),
    "no second text": ("embed", f"{RATED}a\tb\t1\n{MEGABYTE}\t \t1\n", ":3: expected a second text, got an empty one"),
    "no rating": ("embed", f"{RATED}a\tb\t\n", ":2: expected a number, got an empty one"),
    "a rating in words": ("embed", f"{RATED}a\tb\t{MEGABYTE}\n", ":2: expected a number, got 'xxx"),
    "a rating that is no number": ("embed", f"{RATED}a\tb\tnan\n", ":2: expected a number, got 'nan'"),
    "a text with NUL": ("embed", f"{RATED}a\0\tb\t1\n", ":2: expected text, got a NUL character"),
    "too few columns": ("embed", f"{RATED}a\tb\n", ":2: expected 3 columns, got 2"),
    "a header alone": ("embed", RATED, ": the file holds no rows"),
    "pairs of other bytes": ("embed", RATED.encode() + b"a\t\xff\t1\n", ":2: expected UTF-8 text, got byte 0xff"),
    "no answer": ("positives", f"{TOGETHER}a\t\n", ":2: expected a second text, got an empty one"),
    "no third text": ("positives", "query\tanswer\tnegative\na\tb\t\n", ":2: expected a third text, got an empty one"),
    "answers of other bytes": ("positives", TOGETHER.encode() + b"\xe9\tb\n", ":2: expected UTF-8 text, got byte 0xe9"),
}
WRONG_DEV = {
    "a label that train has not": ("tag", "a O\nb B-ZZ\n", ":2: expected one of the labels A, B, got 'ZZ' (word 2)"),
    "one in a line": ("tag", "a b\tO O\na b\tO B-ZZ\n", ":2: expected one of the labels A, B, got 'ZZ' (word 2)"),
}


def arguments(folder: Path, verb: str) -> list[str]:
    words = ["finetune", "tag"] if verb == "tag" else ["finetune", "embed", *(["--positives"] * (verb == "positives"))]
    return [*words, "--from", str(START), "--output", str(folder / "out"), "--epochs", "1", "--batch-size", "2"]


def write(file: Path, content: str | bytes) -> Path:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def check(outcome: tuple[int, str, str], line: str, output: Path) -> None:
    code, out, err = outcome
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {line}")
    assert err.count("\n") == 1
    assert len(err) < 400
    assert not output.exists()


@pytest.mark.parametrize("name", WRONG)
def test_train(kerastx, tmp_path, name):
    verb, content, line = WRONG[name]
    file = write(tmp_path / NAMES[verb], content)
    check(kerastx(*arguments(tmp_path, verb), "--train", file), f"{file}{line}", tmp_path / "out")


@pytest.mark.parametrize("name", [*WRONG_DEV, *WRONG])
def test_dev(kerastx, tmp_path, name):
    verb, content, line = {**WRONG_DEV, **WRONG}[name]
    train, file = write(tmp_path / f"train{NAMES[verb][4:]}", GOOD[verb]), write(tmp_path / NAMES[verb], content)
    check(kerastx(*arguments(tmp_path, verb), "--train", train, "--dev", file), f"{file}{line}", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "content"),
    [
        ("tag", f"{MEGABYTE} B-A\nb O\n\n" + GOOD["tag"]),
        ("tag", "ab B-A\n" * 30_000 + "\n" + GOOD["tag"]),
        ("embed", f"{RATED}{MEGABYTE}\tb\t1\n{'x y ' * 250_000}\td\t2\n"),
    ],
    ids=["a word of a megabyte", "a sentence of many words", "texts of a megabyte"],
)
def test_long_texts_are_learned_from(kerastx, tmp_path, verb, content):
    file = write(tmp_path / NAMES[verb], content)
    options = ["--hold-out", "0", "--max-length", "16", "--batch-size", "512"]
    code, _, err = kerastx(*arguments(tmp_path, verb), "--train", file, *options)
    assert code == 0, err
    assert "Traceback" not in err
