from __future__ import annotations

import pytest

from kerastx.data.json_pairs import read_json_pairs
from kerastx.errors import DataError


def test_a_source_is_one_text_and_every_target_stays(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"body": ["A dog barks.", "It is old. "], "title": ["", "Old dog.", "Dog"], "id": 3}\n\n')
    assert read_json_pairs(file, "body", "title") == (["A dog barks. It is old."], [["Old dog.", "Dog"]])


def test_a_file_without_rows_is_told(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(DataError, match="a.jsonl: the file holds no rows"):
        read_json_pairs(tmp_path / "a.jsonl", "source", "target")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("[1]", r"expected a JSON object, got '\[1\]'"),
        ('{"source": "A dog."}', "expected the key 'target', got 'source'"),
        ('{"source": 5, "target": "Dog."}', "expected a string or a list of strings as 'source', got '5'"),
        ('{"source": ["A", null], "target": "Dog."}', "expected only strings in 'source', got 'null'"),
        ('{"source": "A dog.", "target": [["Dog."]]}', "expected only strings in 'target', got "),
        ('{"source": "A dog.", "target": []}', r"expected a text as 'target', got '\[\]'"),
        ('{"source": "A dog.", "target": [" "]}', "expected a text as 'target', got "),
        ('{"source": "A\\u0000", "target": "Dog."}', "expected text, got a NUL character"),
    ],
)
def test_wrong_rows_of_jsonl_are_told_with_their_line_and_counted(tmp_path, row, reason):
    file, good = tmp_path / "a.jsonl", '{"source": "A dog.", "target": "Dog."}'
    file.write_text(f"{good}\n{row}\n")
    with pytest.raises(DataError, match=f"a.jsonl:2: {reason}"):
        read_json_pairs(file, "source", "target")
    file.write_text(f"{good}\n{row}\n{row}\n\n{row}\n")
    with pytest.raises(DataError, match="a.jsonl:2: .*; and 2 more wrong rows"):
        read_json_pairs(file, "source", "target")
