from __future__ import annotations

from pathlib import Path

import pytest

from kerastx.data.columns import PAIR_COLUMNS, Columns
from kerastx.errors import DataError

FILE = Path("a.tsv")


@pytest.mark.parametrize("pair", PAIR_COLUMNS)
def test_known_pairs_are_found_in_any_case_and_order(pair):
    first, second = (name.title() for name in pair)
    assert Columns(pairs=True).find(FILE, ["id", second, "LABEL", first]) == [first, second, "LABEL"]


def test_one_named_column_finds_its_partner():
    header = ["Text1", "text2", "premise", "hypothesis", "label"]
    assert Columns(pair="hypothesis").find(FILE, header) == ["premise", "hypothesis", "label"]
    assert Columns(text="Premise", pairs=True).find(FILE, header) == ["premise", "hypothesis", "label"]
    assert Columns(pairs=True).find(FILE, header) == ["Text1", "text2", "label"]
    assert Columns(pair="reply").find(FILE, ["reply", "text", "label"]) == ["text", "reply", "label"]
    assert Columns(text="a", pair="b", label="c").find(FILE, ["c", "b", "a"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("task", "expected"), [("classification", "entailment_judgment"), ("regression", "relatedness_score")]
)
def test_numbers_are_looked_for_under_other_names_first(task, expected):
    header = ["sentence_A", "sentence_B", "relatedness_score", "entailment_judgment"]
    assert Columns(pairs=True, task=task).find(FILE, header)[-1] == expected


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(pairs=True), "a.tsv: expected two columns of texts, .* got 'text', 'label'; .*--pair-column"),
        (Columns(text="text", pairs=True), "expected two columns of texts"),
        (Columns(pair="b"), "expected a column b, got 'text', 'label'; name it with --pair-column"),
        (Columns(pair="text"), "expected a column text or sentence .*, got 'label'; name it with --text-column"),
        (Columns(text="a", pair="text"), "expected a column a, got 'label'; name it with --text-column"),
    ],
)
def test_missing_columns_of_pairs(columns, message):
    with pytest.raises(DataError, match=message):
        columns.find(FILE, ["text", "label"])


def test_pairs_without_a_text_name_the_flag_that_reads_them():
    with pytest.raises(DataError, match="with --pair-column sentence2 for a pair of texts$"):
        Columns().find(FILE, ["sentence1", "sentence2", "label"])


def test_numbers_are_all_or_none():
    assert Columns(text=5, pair="6", label="4").numbers() == [5, 6, 4]
    assert Columns(text=0, label=1).numbers() == [0, 1]
    assert Columns(text=0, pairs=True, label=1).numbers() is None
    assert Columns(text=0, label="label").numbers() is None
