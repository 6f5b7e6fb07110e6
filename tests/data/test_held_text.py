"""Held text: documents to the letter, as prepare finds them; bad files in one line."""

from __future__ import annotations

import json

import pytest

from kerastx.data.held_text import read_held_text
from kerastx.errors import DataError


def test_documents_lie_between_blank_lines(tmp_path):
    file = tmp_path / "held.txt"
    file.write_text("one\n  two\n\n\nthree")
    held = read_held_text(file)
    assert held.documents == [["one\n", "  two\n"], ["three"]]
    assert len(held) == 2


def test_a_file_is_a_document_and_a_folder_has_several(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    (tmp_path / "b.md").write_text("three\n")
    (tmp_path / "c.txt").write_text("\n \n")
    assert read_held_text(tmp_path, documents="file").documents == [["one\n", "\n", "two\n"], ["three\n"]]


def test_each_row_of_jsonl_is_a_document(tmp_path):
    file = tmp_path / "held.jsonl"
    file.write_text("".join(json.dumps({"text": text, "body": "b"}) + "\n" for text in ("one\n\ntwo\n", "three", " ")))
    assert read_held_text(file).documents == [["one\n", "\n", "two\n"], ["three"]]
    assert read_held_text(file, text_column="body").documents == [["b"]] * 3


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("none.txt", None, {}, "none.txt: there is no such file or folder"),
        ("empty.txt", "\n \n", {}, "empty.txt: expected text, found none"),
        ("empty.jsonl", "", {}, "empty.jsonl: expected text, found none"),
        ("bytes.txt", b"\xff\xfe", {}, "bytes.txt:1: expected UTF-8 text, got byte 0xff$"),
        ("a.txt", "one", {"text_column": "body"}, "a text file has no columns: leave --text-column out"),
        ("a.jsonl", '{"text": "a"}', {"documents": "file"}, "each row of JSONL is a document: leave --documents out"),
        ("a.jsonl", '{"text": "a"}\n[]', {}, r"a.jsonl:2: expected a JSON object, got '\[\]'"),
        ("a.jsonl", '{"body": "a"}', {}, "a.jsonl:1: expected the key 'text', got 'body'; name it with --text-column"),
        ("a.jsonl", '{"text": 1}', {}, "a.jsonl:1: expected a string as 'text', got '1'"),
    ],
)
def test_bad_files(tmp_path, name, content, options, message):
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        read_held_text(tmp_path / name, **options)
