"""Files of tagged words in every scheme, and the tags of tokens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.data.tagged import TaggedData, TaggedSentence, joined, read_tagged
from kerastx.data.tagging import tagged_windows, tagging_dataset, unit_tags
from kerastx.errors import DataError
from kerastx.text.tokenizer import Tokenizer
from kerastx.text.units import unit_spans

CONLL = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
the DT I-NP O
U.S. NNP I-NP I-LOC
New NNP B-NP B-LOC
York NNP I-NP I-LOC

Peter\tB-PER
"""


def write(path, content):
    path.write_text(content, encoding="utf-8")
    return path


def test_columns_as_in_conll(tmp_path):
    data = read_tagged(write(tmp_path / "eng.train", CONLL))
    assert data.labels == ("LOC", "ORG", "PER")
    assert data.tags == ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")
    first, second = data.sentences
    assert first.words == ("EU", "rejects", "the", "U.S.", "New", "York")
    assert first.tags == ("B-ORG", "O", "O", "B-LOC", "B-LOC", "I-LOC")  # IOB1: B only between neighbours
    assert (first.line, second.line, second.tags) == (3, 10, ("B-PER",))


def test_a_sentence_a_line_and_bmes(tmp_path):
    data = read_tagged(
        write(tmp_path / "a.bmes", "高 勇 ： P M I\tB-NAME E-NAME O B-X M-X E-X\n张 三\tS-NAME S-NAME\n")
    )
    assert [sentence.tags for sentence in data.sentences] == [
        ("B-NAME", "I-NAME", "O", "B-X", "I-X", "I-X"),
        ("B-NAME", "B-NAME"),
    ]
    assert joined(data.sentences[0].words) == ("高勇：PMI", [(n, n + 1) for n in range(6)])
    assert joined(["New", "York"]) == ("New York", [(0, 3), (4, 8)])


def test_a_line_of_one_word_among_sentences_and_odd_blanks(tmp_path):
    data = read_tagged(write(tmp_path / "a.txt", "New York\tO B-A\nx\tO\n\n10\u00a0000 B-NUM\n\u00a0\tO\n"))
    assert [sentence.words for sentence in data.sentences] == [("New", "York"), ("x",), ("10\u00a0000", "\u00a0")]


def test_bilou_is_read_as_bioes(tmp_path):
    data = read_tagged(write(tmp_path / "a.txt", "a B-A\nb I-A\nc L-A\nd U-A\ne O\n"))
    assert data.sentences[0].tags == ("B-A", "I-A", "I-A", "B-A", "O")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file holds no sentences"),
        ("EU I-ORG\nrejects\n", r"a.txt:2: expected a word and its tag, got 'rejects'"),
        ("EU ORG\n", "a.txt:1: expected a tag such as O, B-PER or I-PER, got 'ORG'"),
        ("EU B-ORG\na O\nb M-ORG\n", "a.txt:3: expected M-ORG behind a tag that it goes on with, got 'M-ORG'"),
        ("1 EU B-ORG\n2 x O\n", "a.txt:1: expected a word, got a column of counts in '1 EU B-ORG'"),
        ("New York\tO B-A\nx y\tO\n", "a.txt:2: expected as many tags as words around one tab, got 2 and 1"),
        ("a x\n\nb y\n\nc O\n", "a.txt:1: expected a tag .*; and 1 more wrong sentence$"),
    ],
)
def test_wrong_lines(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_tagged(write(tmp_path / "a.txt", content))


def test_other_labels_and_bytes(tmp_path):
    file = write(tmp_path / "a.txt", "EU B-ORG\n")
    with pytest.raises(DataError, match=r"a.txt:1: expected one of the labels LOC, PER, got 'ORG' \(word 1\)"):
        read_tagged(file, labels=("PER", "LOC"))
    file.write_bytes(b"EU O\n\xff O\n")
    with pytest.raises(DataError, match="a.txt:2: expected UTF-8 text, got byte 0xff"):
        read_tagged(file)
    with pytest.raises(DataError, match="there is no such file"):
        read_tagged(tmp_path / "none.txt")


def test_text_and_entities_by_character(tmp_path):
    data = read_tagged(
        write(tmp_path / "a.txt", "New York\tB-LOC I-LOC\nEU Peter x\tB-ORG B-PER O\n高 勇\tB-PER E-PER\n")
    )
    assert [sentence.text for sentence in data.sentences] == ["New York", "EU Peter x", "高勇"]
    assert [sentence.entities for sentence in data.sentences] == [
        [(0, 8, "LOC")],
        [(0, 2, "ORG"), (3, 8, "PER")],
        [(0, 2, "PER")],
    ]


@given(
    st.lists(
        st.tuples(st.text("ab.中", min_size=1, max_size=3), st.sampled_from(["O", "B-A", "I-A", "B-B"])), min_size=1
    )
)
@settings(max_examples=80, deadline=None)
def test_units_have_the_tags_of_their_words(rows):
    sentence = TaggedSentence(tuple(word for word, _ in rows), tuple(tag for _, tag in rows), 1)
    text, spans = joined(sentence.words)
    units = unit_spans(text)
    tags = unit_tags(sentence, spans, units)
    for (start, _), tag in zip(units, tags, strict=True):
        word = next(number for number, (_, end) in enumerate(spans) if start < end)
        assert tag[2:] == sentence.tags[word][2:]
        if start == spans[word][0]:
            assert tag == sentence.tags[word]
        elif tag != "O":
            assert tag[0] == "I"


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["Peter lives in the U.S. and New York", "EU rejects"], vocabulary_size=80)


def test_a_word_is_tagged_at_the_first_token_of_each_of_its_units(tokenizer):
    data = TaggedData([TaggedSentence(("the", "U.S.", "Zzz"), ("O", "B-LOC", "I-LOC"), 1)], ("LOC",))
    (window,) = tagged_windows(data, tokenizer, max_length=64)
    weighted = [
        (token, data.tags[tag])
        for token, tag, weight in zip(window.encoding.tokens, window.tags, window.weights, strict=True)
        if weight
    ]
    assert [tag for _, tag in weighted] == ["O", "B-LOC", "I-LOC", "I-LOC", "I-LOC", "I-LOC"]
    assert [token for token, _ in weighted][1:5] == ["u", ".", "s", "."]


def test_a_long_sentence_is_seen_in_whole(tokenizer):
    words = ("Peter", "lives") * 30
    data = TaggedData([TaggedSentence(words, ("B-PER", "O") * 30, 1)], ("PER",))
    made = tagging_dataset(data, tokenizer, batch_size=2, max_length=16)
    seen = 0.0
    for inputs, tags, weights in made:
        assert inputs["token_ids"].shape == tags["logits"].shape == weights["logits"].shape
        assert inputs["token_ids"].shape[1] <= 16
        seen += float(np.sum(weights["logits"]))
    assert seen > 60  # windows overlap


def test_batches_are_those_of_the_windows(tokenizer):
    sentences = [TaggedSentence(("Peter",) * n, ("B-PER",) * n, n) for n in range(1, 6)]
    data = TaggedData(sentences, ("PER",))
    made = tagging_dataset(data, tokenizer, batch_size=2, max_length=32)
    rows = [(tags["logits"].numpy(), weights["logits"].numpy()) for _, tags, weights in made]
    assert len(rows) == made.cardinality() == 3
    assert [int(weights.sum()) for _, weights in rows] == [3, 7, 5]
    assert all((tags[weights > 0] == 1).all() for tags, weights in rows)
    first, second = (
        [
            weights["logits"].numpy().sum()
            for _, _, weights in tagging_dataset(data, tokenizer, batch_size=1, max_length=32, seed=seed)
        ]
        for seed in (1, 2)
    )
    assert sorted(first) == sorted(second) == [1, 2, 3, 4, 5]
