from __future__ import annotations

import gzip

import pytest

from kerastx.data.text_pairs import TextPairs, read_text_pairs
from kerastx.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        file = tmp_path / name
        data = content.encode() if isinstance(content, str) else content
        file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return file

    return write_file


def rows_of(pairs):
    return list(zip(pairs.sources, pairs.targets, strict=True))


def test_lines_of_two_files_belong_together(write):
    expected = [("A dog.", "Ein Hund."), ("A cat.", "Eine Katze.")]
    assert (
        rows_of(read_text_pairs(write("a.en", "A dog.\n\nA cat. \n"), write("a.de", "Ein Hund.\r\n\nEine Katze.")))
        == expected
    )
    assert (
        rows_of(read_text_pairs(write("b.en.gz", "A dog.\nA cat.\n"), write("b.de.gz", "Ein Hund.\nEine Katze.\n")))
        == expected
    )


def test_columns_of_tables_are_found_by_name(write):
    expected = [("A dog.", "Ein Hund.")]
    assert rows_of(read_text_pairs(write("a.tsv", "target\tid\tsource\nEin Hund.\t1\tA dog.\n"))) == expected
    assert rows_of(read_text_pairs(write("a.csv", 'Document,Summary\n"A dog.","Ein Hund."\n'))) == expected
    assert rows_of(read_text_pairs(write("a.jsonl", '{"body": "A dog.", "subject": "Ein Hund."}\n'))) == expected


def test_columns_may_be_named_or_numbered(write):
    expected = [("A dog.", "Ein Hund.")]
    named = write("a.tsv", "de\ten\nEin Hund.\tA dog.\n")
    assert rows_of(read_text_pairs(named, source_column="en", target_column="DE")) == expected
    bare = write("b.tsv", "Ein Hund.\tA dog.\n")
    assert rows_of(read_text_pairs(bare, source_column=1, target_column="0")) == expected


@pytest.mark.parametrize(
    ("english", "german", "reason"),
    [
        ("A dog.\nA cat.\n", "Ein Hund.\n", "expected files of as many lines, got 2 in .*a.en and 1 in .*a.de"),
        (
            "A dog.\nA cat.\n",
            "Ein Hund.\n\n",
            "a.de:2: expected a text, got an empty line where the other file has one",
        ),
        ("\n", "\n", "a.en: the file holds no rows"),
        (b"\xff\n", "Ein Hund.\n", "a.en:1: expected UTF-8 text, got byte 0xff"),
    ],
)
def test_files_that_do_not_fit_are_told_with_the_line(write, english, german, reason):
    with pytest.raises(DataError, match=reason):
        read_text_pairs(write("a.en", english), write("a.de", german))


def test_missing_and_broken_files_are_told(write, tmp_path):
    with pytest.raises(DataError, match=r"none.de.gz: there is no such file"):
        read_text_pairs(write("a.en", "A dog.\n"), tmp_path / "none.de.gz")
    (tmp_path / "plain.gz").write_text("not compressed")
    with pytest.raises(DataError, match=r"plain.gz: expected compressed UTF-8 text: Not a gzipped file"):
        read_text_pairs(tmp_path / "plain.gz", write("a.de", "Ein Hund.\n"))


def test_missing_columns_are_told(write):
    file = write("a.tsv", "en\tde\nA dog.\tEin Hund.\n")
    with pytest.raises(DataError, match="got 'en', 'de'; name them with --source-column and --target-column"):
        read_text_pairs(file)
    with pytest.raises(DataError, match="expected a column fr for --target-column, got 'en', 'de'"):
        read_text_pairs(file, source_column="en", target_column="fr")
    with pytest.raises(DataError, match="lines of two files have no columns"):
        read_text_pairs(file, file, source_column="en")


def test_an_empty_text_is_told_with_its_line(write):
    with pytest.raises(DataError, match="a.tsv:3: expected a second text, got an empty one"):
        read_text_pairs(write("a.tsv", "source\ttarget\nA dog.\tEin Hund.\nA cat.\t \n"))


def test_pairs_are_as_many_sources_as_targets():
    with pytest.raises(ValueError, match="expected a target for each source, got 1 and 0"):
        TextPairs(["a"], [])
    assert rows_of(TextPairs(["a", "b"], ["c", "d"]).subset([1])) == [("b", "d")]
    with pytest.raises(ValueError, match="expected others for each target, got 2 for 1"):
        TextPairs(["a"], ["b"], [[], []])


def test_lists_in_jsonl_are_sentences_of_a_source_and_targets_that_are_all_right(write):
    first = '{"source": ["A dog barks.", " ", "It is old."], "target": ["An old dog.", "A dog."]}'
    rows = first + '\n{"source": "A cat.", "target": "Cat."}\n'
    pairs = read_text_pairs(write("a.jsonl", rows))
    assert rows_of(pairs) == [("A dog barks. It is old.", "An old dog."), ("A cat.", "Cat.")]
    assert pairs.references == [["An old dog.", "A dog."], ["Cat."]]
    assert pairs.subset([1, 0]).references == [["Cat."], ["An old dog.", "A dog."]]


def test_a_row_has_its_target_as_reference_where_there_are_no_others(write):
    pairs = read_text_pairs(write("a.jsonl", '{"source": ["A dog."], "target": ["Dog."]}\n'))
    assert pairs.others is None
    assert pairs.references == [["Dog."]]


def test_keys_of_jsonl_may_be_named_in_any_case(write):
    file = write("a.jsonl", '{"Text": "A dog.", "title": "Dog.", "Title": "Old dog."}\n')
    assert rows_of(read_text_pairs(file, source_column="text", target_column="Title")) == [("A dog.", "Old dog.")]


def test_jsonl_without_rows_is_told(write):
    with pytest.raises(DataError, match="expected columns such as source and target, got none"):
        read_text_pairs(write("a.jsonl", "\n"))
