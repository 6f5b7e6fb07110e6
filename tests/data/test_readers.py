from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.data.labelled import LabelledData, sorted_labels
from kerastx.data.readers import read_labelled, read_rows
from kerastx.errors import DataError


@pytest.fixture
def read(tmp_path):
    """Return a function: file name, content -> the labelled data in it."""

    def read(name, content, **options):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_labelled(file, **options)

    return read


def rows_of(data):
    return list(zip(data.texts, data.labels, strict=True))


EXPECTED = [("good film", "pos"), ("bad, really", "neg"), ("fine", "pos")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "text\tlabel\ngood film\tpos\nbad, really\tneg\nfine\tpos\n"),
        ("a.TSV", "\ufeffLabel\tSentence\r\npos\tgood film\r\nneg\tbad, really\r\npos\tfine"),
        ("a.csv", 'id,text,label\n1,good film,pos\n2,"bad, really",neg\n3,fine,pos\n'),
        ("a.csv", '"CLASS","Content"\n"pos","good film"\n"neg","bad, really"\n\n"pos"," fine "\n'),
        (
            "a.jsonl",
            '{"text": "good film", "label": "pos"}\n\n{"label": "neg", "text": "bad, really", "id": 3}\n'
            '{"text": "fine", "label": "pos"}',
        ),
        (
            "a.jsonl",
            '{"Category": "pos", "review": "good film"}\n{"Category": "neg", "review": "bad, really"}\n'
            '{"Category": "pos", "review": "fine"}\n',
        ),
    ],
)
def test_formats_and_column_names(read, name, content):
    data = read(name, content)
    assert rows_of(data) == EXPECTED
    assert data.label_names == ("neg", "pos")
    assert data.targets.tolist() == [1, 0, 1]
    assert data.targets.dtype == np.int32
    assert len(data) == 3


def test_quotes_are_characters_in_tsv_and_marks_in_csv(read):
    assert read("a.tsv", 'text\tlabel\n"quoted" and "open\t1\n').texts == ['"quoted" and "open']
    assert read("a.csv", 'text,label\n"say ""yes""\nor no",1\n').texts == ['say "yes"\nor no']


def test_only_a_newline_ends_a_row(read):
    assert read("a.tsv", "text\tlabel\na\u2028b\x0bc\x85d\t1\n").texts == ["a\u2028b\x0bc\x85d"]
    assert read("a.jsonl", '{"text": "a\u2028b", "label": 1}\n').texts == ["a\u2028b"]


def test_text_is_preferred_when_several_columns_fit(read):
    assert read("a.tsv", "sentence\ttext\tlabel\nno\tyes\t1\n").texts == ["yes"]


def test_columns_can_be_named(read):
    content = "id\tQuestion\tanswer\ttext\n7\twhy\t42\tother\n"
    data = read("a.tsv", content, text_column="question", label_column="answer")
    assert rows_of(data) == [("why", "42")]
    data = read("a.jsonl", '{"q": "why", "a": 42}', text_column="q", label_column="a")
    assert rows_of(data) == [("why", "42")]


def test_an_exact_name_wins_over_another_case(read):
    assert read("a.tsv", "TEXT\ttext\tlabel\nno\tyes\t1\n", text_column="text").texts == ["yes"]


@pytest.mark.parametrize("columns", [(1, 0), ("1", "0")])
def test_numbers_read_a_file_without_a_header(read, columns):
    data = read("a.csv", '3,"first, row"\n4,second\n', text_column=columns[0], label_column=columns[1])
    assert rows_of(data) == [("first, row", "3"), ("second", "4")]
    with pytest.raises(DataError, match="expected a column number below 2, got 2"):
        read("a.csv", "3,x\n", text_column=2, label_column=0)


def test_a_missing_column_names_those_that_are_there_and_the_flag(read):
    with pytest.raises(
        DataError,
        match=r"a\.tsv: expected a column text or sentence or .* review, got 'Great movie', '1'; .*--text-column",
    ):
        read("a.tsv", "Great movie\t1\nBad movie\t0\n")
    with pytest.raises(
        DataError,
        match="expected a column label or labels or class .*_score, got 'text', 'y'; .*--label-column",
    ):
        read("a.csv", "text,y\na,1\n")
    with pytest.raises(DataError, match="expected a column topic, got 'text', 'label'"):
        read("a.jsonl", '{"text": "a", "label": "b"}', label_column="topic")


def test_labels_are_sorted_by_value_when_they_are_numbers(read):
    assert read("a.tsv", "text\tlabel\na\t10\nb\t9\nc\t-1\n").label_names == ("-1", "9", "10")
    assert sorted_labels(["10", "9", "b"]) == ("10", "9", "b")
    assert sorted_labels([]) == ()


def test_given_labels_keep_their_order(read):
    data = read("a.tsv", "text\tlabel\na\tx\nb\ty\n", labels=("y", "z", "x"))
    assert data.label_names == ("y", "z", "x")
    assert data.targets.tolist() == [2, 0]


TSV = "text\tlabel\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", TSV + "a\tx\nb\n", r"a\.tsv:3: expected 2 columns, got 1$"),
        ("a.tsv", TSV + "a\tx\ty\n", r"a\.tsv:2: expected 2 columns, got 3$"),
        ("a.tsv", TSV + "a\t \n", r"a\.tsv:2: expected a label, got an empty one$"),
        ("a.tsv", TSV + "\tx\n", r"a\.tsv:2: expected a text, got an empty one$"),
        ("a.tsv", TSV + "a\0b\tx\n", r"a\.tsv:2: expected text, got a NUL character$"),
        ("a.csv", 'text,label\n"a\nb",x\n"a"b,x\n', r"a\.csv:4: expected quoted CSV fields, got .*$"),
        ("a.csv", 'text,label\na,x\n"b,x\nc,x\n', r"a\.csv:3: expected quoted CSV fields, got .*end of data.*$"),
        ("a.csv", "text,label\na,x,\n", r"a\.csv:2: expected 2 columns, got 3$"),
        (
            "a.jsonl",
            '{"text": "a", "label": "x"}\n{"text": \n',
            r"a\.jsonl:2: expected a JSON object, got '\{\"text\": '$",
        ),
        ("a.jsonl", "[1, 2]\n", r"a\.jsonl:1: expected a JSON object, got '\[1, 2\]'$"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "a"}', r":2: expected the key 'label', got 'text'$"),
        ("a.jsonl", '{"text": 3, "label": "x"}', r":1: expected a string as 'text', got '3'$"),
        ("a.jsonl", '{"text": "a", "label": 1.5}', r":1: expected a string or a whole number as 'label', got '1.5'$"),
        ("a.jsonl", '{"text": "a", "label": true}', r":1: expected a string or a whole number as 'label', got 'true'$"),
        ("a.jsonl", '{"text": "a", "label": null}', r":1: expected a string or a whole number as 'label', got 'null'$"),
        ("a.jsonl", '{"text": "a\\u0000", "label": "x"}', r":1: expected text, got a NUL character$"),
        ("a.jsonl", "[" * 100_000, r":1: expected a JSON object"),
    ],
)
def test_a_wrong_row_is_reported_with_its_place(read, name, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read(name, content)
    assert "\n" not in str(caught.value)


def test_an_unknown_label_is_a_wrong_row(read):
    with pytest.raises(DataError, match=r"a\.tsv:3: expected one of the labels 'pos', 'neg', got 'meh'$"):
        read("a.tsv", TSV + "a\tpos\nb\tmeh\n", labels=("pos", "neg"))


def test_all_wrong_rows_are_counted(read):
    with pytest.raises(DataError, match=r"a\.tsv:2: expected 2 columns, got 1; and 1 more wrong row$"):
        read("a.tsv", TSV + "a\nb\tx\nc\t\n")
    with pytest.raises(DataError, match=r":2: expected 2 columns, got 1; and 1,999 more wrong rows$"):
        read("a.tsv", TSV + "a\n" * 2000)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "", r"a\.tsv: the file is empty"),
        ("a.csv", "\n\n", r"a\.csv: the file is empty"),
        ("a.jsonl", " \n", r"a\.jsonl: the file holds no rows"),
        ("a.tsv", TSV, r"a\.tsv: the file holds no rows"),
        ("a.xls", TSV, r"a\.xls: expected a \.tsv, \.csv, \.txt or \.jsonl file, got \.xls"),
        ("data", TSV, "file, got no suffix"),
        ("a.tsv", TSV.encode() + b"caf\xe9\tx\n", r"a\.tsv:2: expected UTF-8 text, got byte 0xe9"),
        ("a.csv", '"text,label\n', r"a\.csv:1: expected quoted CSV fields"),
    ],
)
def test_a_wrong_file(read, name, content, message):
    with pytest.raises(DataError, match=message):
        read(name, content)


def test_missing_files(tmp_path):
    with pytest.raises(DataError, match=r"none\.tsv: there is no such file"):
        read_labelled(tmp_path / "none.tsv")
    (tmp_path / "folder.tsv").mkdir()
    with pytest.raises(DataError, match=r"folder\.tsv: cannot be read: Is a directory"):
        read_labelled(tmp_path / "folder.tsv")


def test_long_fields_are_read_and_the_csv_module_stays_as_it_was(read):
    before = csv.field_size_limit()
    text = "word " * 100_000
    assert read("a.csv", f"text,label\n{text},x\n").texts == [text.strip()]
    assert csv.field_size_limit() == before


def test_a_long_value_is_shortened_in_the_message(read):
    with pytest.raises(DataError, match=r"got 'x{37}\.\.\.'$"):
        read("a.tsv", TSV + "a\t" + "x" * 500 + "\n", labels=("pos", "neg"))


def test_unknown_labels_of_lists():
    with pytest.raises(ValueError, match="labels must be among a, got b"):
        LabelledData.of(["x"], ["b"], ["a"])


def test_numbers_are_read_for_regression(read):
    data = read("a.tsv", "text\tlabel\tscore\na\tx\t5.000\nb\ty\t-2e-1\nc\ty\t.5\n", task="regression")
    assert data.task == "regression"
    assert data.targets.dtype == np.float32
    np.testing.assert_array_equal(data.targets, np.array([[5.0], [-0.2], [0.5]], np.float32))
    assert data.label_names == ()
    assert data.labels == ["5.0", "-0.2", "0.5"]
    data = read("a.jsonl", '{"text": "a", "label": 3}\n{"text": "b", "label": "0.5"}', task="regression", labels=())
    assert data.targets.tolist() == [[3.0], [0.5]]


@pytest.mark.parametrize("wrong", ["x", "nan", "inf", "1e39", "1_0", "1,5", "0x1", "٣"])
def test_what_is_no_finite_number_is_a_wrong_row(read, wrong):
    with pytest.raises(DataError, match=rf"a\.tsv:3: expected a number, got '{wrong}'$"):
        read("a.tsv", f"text\tlabel\na\t1\nb\t{wrong}\n", task="regression")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "text\tlabel\na\t\n", r"a\.tsv:2: expected a number, got an empty one$"),
        ("a.jsonl", '{"text": "a", "label": NaN}', r":1: expected a number, got 'nan'$"),
        ("a.jsonl", '{"text": "a", "label": [1]}', r":1: expected a number as 'label', got '\[1\]'$"),
        ("a.jsonl", '{"text": "a", "label": true}', r":1: expected a number as 'label', got 'true'$"),
    ],
)
def test_wrong_numbers(read, name, content, message):
    with pytest.raises(DataError, match=message):
        read(name, content, task="regression")


MULTI = [
    ("a.tsv", "text\tlabels\none\tred, blue\ntwo\t\nthree\tblue|green|blue\nfour\t ,| \n"),
    ("a.csv", 'text,labels\none,"red, blue"\ntwo,\nthree,blue|green|blue\nfour,""\n'),
    (
        "a.jsonl",
        '{"text": "one", "labels": ["red", "blue"]}\n{"text": "two", "labels": []}\n'
        '{"text": "three", "labels": "green,blue"}\n{"text": "four", "labels": ""}\n',
    ),
]


@pytest.mark.parametrize(("name", "content"), MULTI)
def test_rows_with_any_number_of_labels(read, name, content):
    data = read(name, content, task="multi_label")
    assert data.task == "multi_label"
    assert data.label_names == ("blue", "green", "red")
    assert data.targets.dtype == np.float32
    assert data.targets.tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert data.labels == ["blue|red", "", "blue|green", ""]
    data = read(name, content, task="multi_label", labels=("red", "pink", "green", "blue"))
    assert data.targets[0].tolist() == [1, 0, 0, 1]
    with pytest.raises(DataError, match="one of the labels 'red', 'blue', got 'green'$"):
        read(name, content, task="multi_label", labels=("red", "blue"))


def test_a_label_in_a_list_may_hold_a_comma(read):
    data = read("a.jsonl", '{"text": "one", "label": ["food, drink"]}', task="multi_label")
    assert data.label_names == ("food, drink",)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ('["a", 3]', "expected only strings in 'label', got '3'"),
        ('["a", " "]', "expected only strings in 'label', got '\" \"'"),
        ("null", "expected a string or a list of strings as 'label', got 'null'"),
        ("[]", "expected a label in some row, got none in any; .*--label-column"),
    ],
)
def test_wrong_lists_of_labels(read, label, message):
    with pytest.raises(DataError, match=message):
        read("a.jsonl", f'{{"text": "one", "label": {label}}}', task="multi_label")


def test_wrong_arguments(read):
    with pytest.raises(ValueError, match="task must be one of classification, .* got 'ranking'"):
        read("a.tsv", TSV + "a\tx\n", task="ranking")
    with pytest.raises(ValueError, match="regression has no labels"):
        read("a.tsv", TSV + "a\t1\n", task="regression", labels=("1",))


def test_a_pair_needs_both_texts(read):
    with pytest.raises(DataError, match=r":3: expected a second text, got an empty one$"):
        read("a.tsv", "sentence1\tsentence2\tlabel\na\tb\tx\nc\t \tx\n", pairs=True)
    with pytest.raises(DataError, match=r":1: expected a string as 'pair', got '7'$"):
        read("a.jsonl", '{"text": "a", "pair": 7, "label": 1}', pairs=True)
    with pytest.raises(DataError, match=r":2: expected text, got a NUL character$"):
        read("a.tsv", "sentence1\tsentence2\tlabel\na\tb\0\tx\n", pairs=True)


def test_rows_for_a_report_may_lack_everything(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_text("text1\ttext2\tscore\na\t\tmany\n\tb\t\n")
    rows = read_rows(file, pairs=True, task="regression")
    assert [(row.line, row.text, row.pair, row.label) for row in rows] == [(2, "a", "", "many"), (3, "", "b", "")]


def test_data_from_lists():
    data = LabelledData.of(["a", "b"], ["y", "x"], pairs=["c", "d"])
    assert data.pairs == ["c", "d"]
    data = LabelledData.of_sets(["a", "b"], [{"y", "x"}, []], ("z", "y", "x"))
    assert data.targets.tolist() == [[0, 1, 1], [0, 0, 0]]
    assert data.labels == ["y|x", ""]
    assert LabelledData.of_numbers(["a"], [2]).labels == ["2.0"]
    with pytest.raises(ValueError, match="labels must be among a, got b"):
        LabelledData.of_sets(["x"], [["b"]], ["a"])
    with pytest.raises(ValueError, match="values must be finite and fit into float32, got nan"):
        LabelledData.of_numbers(["a", "b"], [1.0, float("nan")])
    with pytest.raises(ValueError, match="texts, labels, targets, pairs and negatives must be as many, got 1, 1, 1, 2"):
        LabelledData.of(["a"], ["b"], pairs=["c", "d"])


def test_a_subset_keeps_labels_pairs_and_targets():
    data = LabelledData.of(["a", "b", "c"], ["x", "y", "z"], pairs=["d", "e", "f"])
    part = data.subset(np.array([2, 0]))
    assert (part.texts, part.pairs, part.labels) == (["c", "a"], ["f", "d"], ["z", "x"])
    assert part.label_names == data.label_names
    assert part.targets.tolist() == [2, 0]
    assert LabelledData.of_numbers(["a", "b"], [1, 2]).subset([1]).targets.tolist() == [[2.0]]


PLAIN = st.text(
    alphabet=st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=30
).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=8))
def test_what_is_written_is_read(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rows")
    expected = [(text.strip(), label.strip()) for text, label in rows]
    (folder / "a.tsv").write_text(
        TSV + "".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8", newline=""
    )
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in rows]
    (folder / "a.jsonl").write_text("".join(lines))
    for name in ("a.tsv", "a.csv", "a.jsonl"):
        data = read_labelled(folder / name)
        assert rows_of(data) == expected
        assert [data.label_names[id] for id in data.targets] == data.labels


@settings(max_examples=120, deadline=None)
@given(
    name=st.sampled_from(["a.tsv", "a.csv", "a.jsonl"]),
    content=st.one_of(
        st.binary(max_size=120),
        st.text(alphabet=st.sampled_from(list('text,label\t\n\r"{}[]:0\0')), max_size=60).map(str.encode),
    ),
    header=st.sampled_from([b"", b"text\tlabel\n", b"text,label\n", b'{"text": "a", "label": 1}\n']),
)
def test_garbage_is_read_or_refused_in_one_line(tmp_path_factory, name, content, header):
    file = tmp_path_factory.mktemp("garbage") / name
    file.write_bytes(header + content)
    try:
        data = read_labelled(file)
    except DataError as error:
        message = str(error)
    else:
        message = str(file)
        assert len(data) > 0
        assert all(data.texts)
        assert all(data.labels)
    assert message.startswith(str(file))
    assert "\n" not in message
