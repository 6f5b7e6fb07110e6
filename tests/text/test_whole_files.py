from __future__ import annotations

import pytest

from kerastx.errors import DataError
from kerastx.text import whole_files
from kerastx.text.whole_files import read_text, write_text


def test_a_text_is_read_as_it_was_written(tmp_path):
    file = tmp_path / "file"
    for text in ("", "naïve\nlines\n", "\u2028"):
        write_text(file, text)
        assert read_text(file, expected="a file") == text
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "file"
    write_text(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "\ud800")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    file = tmp_path / "file"
    with pytest.raises(DataError, match="file: there is no such tokenizer file"):
        read_text(file, expected="a file")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_text(tmp_path, expected="a file")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="expected a file, got a file that is not UTF-8"):
        read_text(file, expected="a file")
    monkeypatch.setattr(whole_files, "MAX_FILE_BYTES", 1)
    with pytest.raises(DataError, match="expected a file of at most 1 bytes, got 2 bytes"):
        read_text(file, expected="a file")
