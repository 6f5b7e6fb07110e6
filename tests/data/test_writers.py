from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.data.labelled import LabelledData
from kerastx.data.readers import read_labelled
from kerastx.data.writers import write_labelled
from kerastx.errors import DataError

TEXT = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=12).map(str.strip).filter(bool)
NUMBER = st.floats(width=32, allow_nan=False, allow_infinity=False)


def read_back(file, data):
    labels = None if data.task == "regression" else data.label_names
    return read_labelled(file, labels=labels, task=data.task, pairs=data.pairs is not None)


def assert_equal(one, other):
    assert (one.texts, one.pairs, one.labels) == (other.texts, other.pairs, other.labels)
    assert (one.label_names, one.task) == (other.label_names, other.task)
    assert one.targets.dtype == other.targets.dtype
    np.testing.assert_array_equal(one.targets, other.targets)


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT, NUMBER), min_size=1, max_size=6), paired=st.booleans())
def test_what_is_written_is_read_back_for_every_task(tmp_path_factory, rows, paired):
    file = tmp_path_factory.mktemp("written") / "a.jsonl"
    texts, seconds, labels, others, values = map(list, zip(*rows, strict=True))
    pairs = seconds if paired else None
    sets = [
        {label, other} if value > 0 else {other} for label, other, value in zip(labels, others, values, strict=True)
    ]
    for data in (
        LabelledData.of(texts, labels, pairs=pairs),
        LabelledData.of_sets(texts, sets, pairs=pairs),
        LabelledData.of_numbers(texts, values, pairs=pairs),
    ):
        write_labelled(file, data)
        assert_equal(read_back(file, data), data)


def test_tabs_newlines_and_other_alphabets_stay_as_they_are(tmp_path):
    data = LabelledData.of(["a\tb\nc\r\nd", "漢字", "half \ud800 character"], ["x", "y\tz", "x"])
    write_labelled(tmp_path / "a.jsonl", data)
    assert_equal(read_back(tmp_path / "a.jsonl", data), data)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines[1] == '{"text": "漢字", "label": "y\\tz"}'
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_the_keys_and_values_of_each_task(tmp_path):
    file = tmp_path / "a.jsonl"
    write_labelled(file, LabelledData.of_sets(["a", "b"], [["x", "y"], []], pairs=["c", "d"]))
    assert list(map(json.loads, file.read_text().splitlines())) == [
        {"text": "a", "pair": "c", "label": ["x", "y"]},
        {"text": "b", "pair": "d", "label": []},
    ]
    write_labelled(file, LabelledData.of_numbers(["a"], [0.1]))
    assert json.loads(file.read_text()) == {"text": "a", "label": 0.1}


def test_wrong_paths(tmp_path):
    data = LabelledData.of(["a"], ["x"])
    with pytest.raises(DataError, match=r"a\.tsv: expected a \.jsonl file, got \.tsv"):
        write_labelled(tmp_path / "a.tsv", data)
    with pytest.raises(DataError, match=r"a\.jsonl: cannot be written: No such file"):
        write_labelled(tmp_path / "none" / "a.jsonl", data)
