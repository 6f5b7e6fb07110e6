"""Units of text, windows over tokens, and sequences of tags."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.text.tags import Span, best_valid, bio_tags, entities, may_follow
from kerastx.text.tokenizer import Tokenizer
from kerastx.text.units import first_tokens, unit_spans
from kerastx.text.windows import windows

TEXTS = ["the quick brown fox jumps over the lazy dog", "New York, 1966: a U.S. flag.", "中国北京 PMI 会员"]


_TOKENIZER = Tokenizer.train(TEXTS * 3, vocabulary_size=80)


@pytest.fixture(scope="module")
def tokenizer():
    return _TOKENIZER


def units(text):
    return [text[start:end] for start, end in unit_spans(text)]


def test_words_marks_and_ideographs_are_units():
    assert units("New York, 1966: a U.S. flag.") == [
        "New", "York", ",", "1966", ":", "a", "U", ".", "S", ".", "flag", ".",
    ]  # fmt: skip
    assert units("中国PMI会员 don't a_b") == ["中", "国", "PMI", "会", "员", "don", "'", "t", "a", "_", "b"]
    assert units(" \n") == []


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_units_leave_out_white_space_only(text):
    spans = unit_spans(text)
    covered = {place for start, end in spans for place in range(start, end)}
    assert all(text[place].isspace() for place in range(len(text)) if place not in covered)
    assert all(start < end <= following for (start, end), (following, _) in itertools.pairwise(spans))


def test_the_first_token_of_each_unit(tokenizer):
    text = "New York, zzz!"
    encoding = tokenizer.encode(text)
    spans = unit_spans(text)
    for (start, end), token in zip(spans, first_tokens(spans, encoding.offsets), strict=True):
        assert token is not None
        assert encoding.offsets[token][0] == start
        assert encoding.offsets[token][1] <= end
    cut = tokenizer.encode(text, max_length=4)
    found = first_tokens(spans, cut.offsets)
    assert found[0] is not None
    assert found[-1] is None


@given(st.integers(0, 60), st.integers(3, 20), st.data())
@settings(max_examples=80, deadline=None)
def test_windows_own_every_token_once(words, max_length, data):
    tokenizer = _TOKENIZER
    encoding = tokenizer.encode(" ".join(["fox"] * words))
    overlap = data.draw(st.integers(0, max_length - 3))
    found = windows(encoding, max_length=max_length, overlap=overlap)
    owned = [token for window in found for token in range(*window.owned)]
    assert owned == list(range(1, len(encoding) - 1))
    for window in found:
        assert len(window.encoding) == len(window.rows) <= max_length
        np.testing.assert_array_equal(window.encoding.token_ids, encoding.token_ids[window.rows])
        assert set(range(*window.owned)) <= set(window.rows.tolist())
    for one, other in itertools.pairwise(found):
        assert len(set(one.rows) & set(other.rows)) >= overlap


def test_no_room_for_a_window(tokenizer):
    with pytest.raises(ValueError, match="expected max_length with room for tokens"):
        windows(tokenizer.encode("the fox"), max_length=2)


def test_entities_of_tags():
    assert entities(["O", "B-A", "I-A", "B-A", "I-B", "O", "I-A"]) == [
        Span(1, 3, "A"), Span(3, 4, "A"), Span(4, 5, "B"), Span(6, 7, "A"),
    ]  # fmt: skip
    assert entities([]) == []


@given(st.integers(0, 5), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_the_best_valid_sequence_is_the_best_of_all(count, seed):
    tags = bio_tags(["A", "B"])
    scores = np.log(
        np.random.default_rng(seed).dirichlet(np.full(len(tags), 0.5), size=count).reshape(count, len(tags))
    )
    found = best_valid(scores, tags)
    best = -np.inf
    for sequence in itertools.product(range(len(tags)), repeat=count):
        names = [tags[number] for number in sequence]
        if all(may_follow(before, tag) for before, tag in zip([None, *names], names, strict=False)):
            best = max(best, scores[np.arange(count), list(sequence)].sum())
    assert scores[np.arange(count), found].sum() == pytest.approx(best if count else 0.0)
    names = [tags[number] for number in found]
    assert all(may_follow(before, tag) for before, tag in zip([None, *names], names, strict=False))
