from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.data.data_warnings import labelled_warnings
from kerastx.data.labelled_report import NUM_EXAMPLES, normal_form, report_labelled
from kerastx.errors import DataError
from kerastx.text.tokenizer import Tokenizer

LONG = "the old grey cat slept on the warm kitchen mat beside the stove for all of the long and rainy afternoon"
TRAIN = f"""label\ttext
pos\tA good  film
neg\tbad
pos\tfine
neg\ta GOOD film
pos\tbad
pos\t{LONG}
neg\t{LONG} today
odd\t
\tno label here
pos\tfine
"""
DEV = f"""sentence\tclass
FINE\tpos
brand new\tneg
{LONG}!\tpos
strange\tnever
"""


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Return a function: contents of train and dev -> the report, with places relative to the current folder."""
    monkeypatch.chdir(tmp_path)

    def report(train, dev=None, **options):
        for name, content in (("train.tsv", train), ("dev.tsv", dev)):
            if content is not None:
                (tmp_path / name).write_text(content, encoding="utf-8")
        return report_labelled("train.tsv", "dev.tsv" if dev is not None else None, **options)

    return report


def places(finding):
    return [(example.place, example.like) for example in finding.examples]


def test_labels_and_repeats_by_hand(report):
    train = report(TRAIN).train
    assert train.rows == 10
    assert train.labels == {"pos": 5, "neg": 3, "odd": 1}
    assert places(train.no_text) == [("train.tsv:9", "")]
    assert places(train.no_label) == [("train.tsv:10", "")]
    assert train.duplicates.rows == 3
    assert places(train.duplicates) == [
        ("train.tsv:5", "train.tsv:2"),
        ("train.tsv:6", "train.tsv:3"),
        ("train.tsv:11", "train.tsv:4"),
    ]
    assert places(train.conflicts) == [("train.tsv:5", "train.tsv:2"), ("train.tsv:6", "train.tsv:3")]
    assert train.conflicts.examples[0].labels == ("neg", "pos")
    assert places(train.near_duplicates) == [("train.tsv:8", "train.tsv:7")]
    assert train.tokens is None
    assert (train.words.percentile(50), train.words.maximum) == (1, 22)
    assert train.characters.values[0] == 0


def test_overlap_of_dev_by_hand(report):
    found = report(TRAIN, DEV)
    assert places(found.overlap) == [("dev.tsv:2", "train.tsv:4")]
    assert places(found.near_overlap) == [("dev.tsv:4", "train.tsv:7")]
    assert found.unseen_labels == {"never": 1}
    assert found.label_names == ["pos", "neg", "odd", "never"]


def test_tokens_and_what_is_cut_by_hand(report):
    tokenizer = Tokenizer.train(["a b c d e f g h"] * 3, vocabulary_size=100)
    found = report("text\tlabel\na b c\t1\na b c d e f\t2\nxyz a\t1\n", tokenizer=tokenizer, max_length=7)
    assert found.train.tokens.to_dict()["max"] == 8  # with [CLS] and [SEP]
    assert found.train.tokens.num_above(7) == 1
    assert found.train.unknown_share == pytest.approx(1 / 11)
    values = found.to_dict()["train"]
    assert values["truncated"] == {"rows": 1, "share": pytest.approx(1 / 3)}
    assert values["tokens"]["p50"] == 5


def test_both_texts_of_a_pair_count(report):
    tokenizer = Tokenizer.train(["a b c d e f g h"] * 3, vocabulary_size=100)
    rows = "premise\thypothesis\tlabel\na b\tc\t1\na b\td\t2\nA b\tC\t2\na\t\t1\n"
    found = report(rows, pairs=True, tokenizer=tokenizer).train
    assert found.tokens.to_dict()["max"] == 6  # with [CLS] and two [SEP]
    assert found.unknown_share == 0
    assert places(found.no_text) == [("train.tsv:5", "")]
    assert places(found.conflicts) == [("train.tsv:4", "train.tsv:2")]


def test_numbers_are_no_labels_and_any_number_of_labels_may_be_none(report):
    rows = "text\tlabel\none\t1.5\ntwo\t2\n"
    found = report(rows, rows, task="regression")
    assert found.train.labels == {}
    assert labelled_warnings(found)
    found = report("text\tlabel\none\ta|b\ntwo\t\nthree\tb\n", task="multi_label")
    assert found.train.labels == {"b": 2, "a": 1}
    assert found.train.no_label.rows == 0


def test_the_report_is_json(report):
    values = json.loads(json.dumps(report(TRAIN, DEV).to_dict()))
    assert values["overlap"] == {
        "rows": 1,
        "examples": [{"place": "dev.tsv:2", "like": "train.tsv:4", "text": "FINE", "labels": ["pos", "pos"]}],
    }
    assert values["dev"]["rows"] == 4


def test_few_examples_are_kept_and_all_rows_counted(report):
    found = report("text\tlabel\n" + "same\ta\n" * 50).train
    assert found.duplicates.rows == 49
    assert len(found.duplicates.examples) == NUM_EXAMPLES


def test_lines_are_those_of_the_file(report):
    content = 'text,label\n"two\nlines",a\n\nTWO  lines,b\n'
    with open("rows.csv", "w", encoding="utf-8") as stream:
        stream.write(content)
    found = report_labelled("rows.csv")
    assert places(found.train.conflicts) == [("rows.csv:5", "rows.csv:2")]


def test_a_malformed_row_is_an_error_with_its_line(report):
    with pytest.raises(DataError, match=r"train.tsv:3: expected 2 columns, got 1; and 1 more wrong row"):
        report("text\tlabel\ngood\ta\nbad\nbad\tb\tc\n")
    with pytest.raises(DataError, match=r"dev.tsv:2: expected text, got a NUL"):
        report(TRAIN, "text\tlabel\na\0b\tpos\n")


def test_what_is_wrong_is_said_in_words(report):
    lines = labelled_warnings(report(TRAIN, DEV))
    assert "1 train row without a text: finetune refuses the file; first: train.tsv:9" in lines
    assert "1 dev row (25.0%) that also stand in train: the score flatters; first: dev.tsv:2 = train.tsv:4" in lines
    assert "1 dev row (25.0%) almost like one of train: the score flatters; first: dev.tsv:4 = train.tsv:7" in lines
    assert "1 dev label not in train: never (1 row): finetune refuses dev" in lines
    assert any(line.startswith("2 train rows (20.0%) with the text of an earlier row and another") for line in lines)
    assert "3 labels with fewer than 10 rows in train: pos, neg, odd" in lines
    assert "1 label of train without a dev row: odd" in lines


def test_a_dev_file_of_another_kind_of_text_is_noticed(report):
    rows = "text\tlabel\n" + "".join(f"{LONG} {n}\t{n % 2}\n" for n in range(4))
    assert any(
        "the median text has 105 characters in train and 5" in line
        for line in labelled_warnings(report(rows, "text\tlabel\nshort\t1\n"))
    )


def test_cut_texts_uneven_labels_and_a_foreign_tokenizer_are_noticed(report):
    tokenizer = Tokenizer.train(["a b c d e f g h"] * 3, vocabulary_size=100)
    rows = "text\tlabel\n" + "".join(
        f"a b c d e {'f ' * (n % 5)}{'x' if n % 9 else 'q'}\t{n == 7}\n" for n in range(40)
    )
    lines = " | ".join(labelled_warnings(report(rows, tokenizer=tokenizer, max_length=10)))
    assert "of the train rows are longer than 10 tokens and are cut; 99 % would fit into --max-length 12" in lines
    assert "of the tokens of train are [UNK]" in lines
    assert "the labels are uneven: 39 rows of False, 1 of True" in lines


def test_clean_rows_give_no_warning(report):
    words = "red green blue black white".split()
    rows = [f"{one} {two} {three}" for one in words for two in words for three in words]
    lines = "".join(f"{row}\t{number % 2}\n" for number, row in enumerate(rows))
    assert labelled_warnings(report("text\tlabel\n" + lines)) == []


def test_one_label_is_too_few(report):
    assert any(
        "train has 1 label: a classifier needs two" in line for line in labelled_warnings(report("text\tlabel\nx\ta\n"))
    )


def test_a_label_of_two_lines_is_one_line_in_a_warning(tmp_path):
    lines = [json.dumps({"text": "same", "label": label}) for label in ("a", "b\nc\x1b")]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    found = " | ".join(labelled_warnings(report_labelled(tmp_path / "rows.jsonl")))
    assert "(b c, a)" in found
    assert "in train: a, b c" in found
    assert found.isprintable()


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(st.text(max_size=40), st.text(max_size=8)), min_size=1, max_size=12))
def test_odd_texts_are_reported_or_refused_in_one_line(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("odd") / "rows.jsonl"
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    file.write_text("\n".join(lines), encoding="utf-8")
    if any("\0" in text.strip() + label.strip() for text, label in rows):
        with pytest.raises(DataError, match=r"rows.jsonl:\d+: expected text, got a NUL"):
            report_labelled(file, file)
        return
    found = report_labelled(file, file)
    assert found.train.rows == len(rows)
    stripped = [(text.strip(), label.strip()) for text, label in rows]
    assert sum(found.train.labels.values()) == sum(bool(label) for _, label in stripped)
    assert found.train.no_text.rows == sum(not normal_form(text) for text, _ in stripped)
    assert found.overlap.rows == len(rows) - found.train.no_text.rows  # dev is train
    assert found.near_overlap.rows == 0
    json.dumps(found.to_dict()).encode()
    assert all(line.isprintable() for line in labelled_warnings(found))


@pytest.mark.slow
def test_the_overlap_of_real_sets(real_data):
    found = report_labelled(real_data / "sst2" / "train.tsv", real_data / "sst2" / "dev.tsv")
    assert (found.train.rows, found.dev.rows) == (67349, 872)
    assert found.train.labels == {"1": 37569, "0": 29780}
    assert found.overlap.rows == 0
