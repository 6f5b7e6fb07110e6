"""Rows of texts that belong together, and of a third that does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.data.hold_out import hold_out
from kerastx.data.labelled import LabelledData
from kerastx.data.readers import read_labelled
from kerastx.data.writers import write_labelled
from kerastx.errors import DataError


def write(path, content):
    path.write_text(content, encoding="utf-8")
    return path


def read(path, **columns):
    return read_labelled(path, task="positives", **columns)


def test_two_columns_by_name(tmp_path):
    data = read(write(tmp_path / "a.tsv", "id\tquery\tanswer\n1\ta\tb\n2\tc\td\n"))
    assert (data.texts, data.pairs, data.negatives) == (["a", "c"], ["b", "d"], None)
    assert (data.task, data.labels, data.label_names, data.targets.tolist()) == ("positives", ["", ""], (), [0, 1])


def test_three_columns_by_name_and_by_number(tmp_path):
    named = read(write(tmp_path / "a.csv", "anchor,positive,negative\na,b,c\n"))
    numbered = read(write(tmp_path / "b.tsv", "x\tc\tb\ta\n"), text_column=3, pair_column=2, negative_column=1)
    for data in (named, numbered):
        assert (data.texts, data.pairs, data.negatives) == (["a"], ["b"], ["c"])


def test_json_lines_come_back_as_they_were(tmp_path):
    data = LabelledData.of_positives(["a\tb", "c"], ["d\ne", "f"], negatives=["g", "h"])
    write_labelled(tmp_path / "rows.jsonl", data)
    again = read(tmp_path / "rows.jsonl")
    assert (again.texts, again.pairs, again.negatives) == (data.texts, data.pairs, data.negatives)
    assert again.targets.tolist() == [0, 1]


def test_rows_that_share_a_text_are_of_one_group():
    data = LabelledData.of_positives(["a", "c", "a", "e", "x"], ["b", "d", "d", "f", "f"])
    assert data.targets.tolist() == [0, 0, 0, 1, 1]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_groups_are_the_connected_texts(rows):
    data = LabelledData.of_positives([one for one, _ in rows], [two for _, two in rows])
    sets = []
    for row in rows:
        joined = set(row).union(*(known for known in sets if known & set(row)))
        sets = [known for known in sets if not known & joined] + [joined]
    for (one, _), number in zip(rows, data.targets, strict=True):
        for (other, _), same in zip(rows, data.targets, strict=True):
            assert (number == same) == any({one, other} <= known for known in sets)


def test_rows_that_share_a_text_are_held_together():
    texts = [f"question {row // 3}" for row in range(300)]
    data = LabelledData.of_positives(texts, [f"answer {row}" for row in range(300)])
    rest, held = hold_out(data, 0.2)
    assert len(held) == pytest.approx(60, abs=3)
    assert not set(rest.texts) & set(held.texts)


def test_a_part_of_the_rows_keeps_its_third_texts():
    data = LabelledData.of_positives(list("abcd"), list("efgh"), negatives=list("ijkl"))
    rest, held = hold_out(data, 0.5)
    assert sorted(rest.negatives + held.negatives) == list("ijkl")
    assert all(ord(negative) - ord(text) == 8 for text, negative in zip(rest.texts, rest.negatives, strict=True))


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("anchor\tpositive\na\t\n", {}, "a.tsv:2: expected a second text, got an empty one"),
        ("anchor\tpositive\tnegative\na\tb\t\n", {}, "a.tsv:2: expected a third text, got an empty one"),
        ("anchor\tpositive\na\tb\0\n", {}, "a.tsv:2: expected text, got a NUL character"),
        ("anchor\tpositive\na\tb\n", {"negative_column": "no"}, "expected a column no, got 'anchor', 'positive'"),
        ("one\ttwo\na\tb\n", {}, "expected two columns of texts, such as"),
    ],
)
def test_wrong_rows(tmp_path, content, columns, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "a.tsv", content), **columns)
