"""Texts without labels: a line each, long ones by sentences, and files that are something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerastx.data.unlabelled import read_unlabelled
from kerastx.errors import DataError
from kerastx.text.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["It is good. It is bad."] * 9, vocabulary_size=500)


def test_a_line_is_a_text_and_a_long_one_is_cut_into_its_sentences(tmp_path: Path, tokenizer):
    file = tmp_path / "texts.txt"
    file.write_bytes("\ufeffIt is good.\r\n\nIt is good. It is bad. Bad.\nIt is good.\n".encode())
    assert read_unlabelled(file, tokenizer, max_length=20) == ["It is good.", "It is good. It is bad. Bad."]
    assert read_unlabelled(file, tokenizer, max_length=8) == ["It is good.", "It is bad.", "Bad."]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("texts.csv", b"text,label", "expected a text on each line of a .txt file, got a .csv file"),
        ("texts.txt", b"\n \n", "expected texts, got an empty file"),
        ("texts.txt", b"good\n\xff", "texts.txt:2: expected UTF-8 text, got byte 0xff"),
    ],
)
def test_what_is_no_file_of_texts(tmp_path: Path, tokenizer, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_unlabelled(tmp_path / name, tokenizer, max_length=8)
    with pytest.raises(DataError, match="there is no such file"):
        read_unlabelled(tmp_path / "missing.txt", tokenizer, max_length=8)
