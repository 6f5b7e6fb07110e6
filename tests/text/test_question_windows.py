"""Windows lose nothing, and characters come back from tokens as they went in."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from text_backends import VARIED, byte_bpe_backend, unigram_backend, wordpiece_backend
from tokenizers import processors

from kerastx.errors import DataError
from kerastx.text.question_windows import (
    SpanSettings,
    Windows,
    characters_of,
    context_separator,
    question_windows,
    token_parts,
    tokens_of,
)
from kerastx.text.tokenizer import Tokenizer

TOKENIZERS = {
    "wordpiece": Tokenizer(wordpiece_backend()),
    "bpe": Tokenizer(byte_bpe_backend()),
    "unigram": Tokenizer(unigram_backend()),
}
every_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)


@every_tokenizer
def test_the_separator_tells_the_context(tokenizer):
    separator = context_separator(tokenizer)
    assert separator.separators == (2 if tokenizer.template.pair[0].token_id == 0 else 1)
    for question in VARIED:
        for _, _, window in question_windows(tokenizer, [question], ["the café"], max_length=60, stride=8):
            ids = window.encoding.token_ids
            passed = np.cumsum(ids == separator.separator_id)
            inside = np.flatnonzero((passed == separator.separators) & (ids != separator.separator_id))
            assert inside.tolist() == list(range(window.first, window.first + window.length))


@every_tokenizer
def test_a_short_pair_is_one_window_as_the_tokenizer_makes_it(tokenizer):
    for question, context in itertools.pairwise(VARIED):
        ((row, _, window),) = question_windows(tokenizer, [question], [context], max_length=2000, stride=128)
        expected = tokenizer.encode(question, context)
        assert row == 0
        np.testing.assert_array_equal(window.encoding.token_ids, expected.token_ids)
        np.testing.assert_array_equal(window.encoding.segment_ids, expected.segment_ids)
        np.testing.assert_array_equal(window.encoding.offsets, expected.offsets)


@given(
    name=st.sampled_from(sorted(TOKENIZERS)),
    words=st.lists(st.sampled_from(["the", "naïve", "café", "paid", "3.50", "今天", "!", "\n", "мир"]), max_size=80),
    question=st.text("abc 今", max_size=40),
    max_length=st.integers(16, 60),
    stride=st.integers(1, 40),
)
@settings(max_examples=80, deadline=None)
def test_every_token_is_in_a_window_and_every_short_part_whole_in_one(name, words, question, max_length, stride):
    tokenizer, context = TOKENIZERS[name], " ".join(words)
    found = list(question_windows(tokenizer, [question], [context], max_length=max_length, stride=stride))
    (parts,) = token_parts(tokenizer, [context])
    count = len(parts.token_ids)
    covered = [range(window.start, window.start + window.length) for _, _, window in found]
    assert {token for tokens in covered for token in tokens} == set(range(count))
    assert covered[-1].stop == count
    room = max(len(tokens) for tokens in covered)
    for start in range(max(1, count - room // 2 + 1)):
        part = set(range(start, min(count, start + room // 2)))
        assert any(part <= set(tokens) for tokens in covered)
    for _, _, window in found:
        assert len(window.encoding) <= max_length
        rows = slice(window.first, window.first + window.length)
        np.testing.assert_array_equal(
            window.encoding.token_ids[rows], parts.token_ids[window.start : window.start + window.length]
        )
        np.testing.assert_array_equal(
            window.encoding.offsets[rows], parts.offsets[window.start : window.start + window.length]
        )


@given(name=st.sampled_from(sorted(TOKENIZERS)), data=st.data())
@settings(max_examples=150, deadline=None)
def test_characters_to_tokens_and_back(name, data):
    tokenizer = TOKENIZERS[name]
    context = data.draw(st.sampled_from(VARIED) | st.text(max_size=30))
    start = data.draw(st.integers(0, len(context)))
    end = data.draw(st.integers(start, len(context)))
    (parts,) = token_parts(tokenizer, [context])
    found = tokens_of(parts.offsets, start, end)
    if found is None:
        return
    first, last = found
    assert 0 <= first <= last < len(parts.token_ids)
    begin, stop = characters_of(context, parts.offsets, first, last)
    text = context[begin:stop]
    assert text == text.strip()
    # All of the answer is there but for what its tokens do not cover, at most blanks and what the tokenizer drops.
    covered = {
        place for one, other in parts.offsets.tolist() for place in range(one, other) if not context[place].isspace()
    }
    assert {place for place in range(start, end) if place in covered} <= set(range(begin, stop))


def test_a_long_question_is_cut_and_leaves_room_for_the_context():
    tokenizer = TOKENIZERS["wordpiece"]
    found = list(question_windows(tokenizer, ["the " * 500], ["paid " * 100], max_length=60, stride=10))
    assert len(found) > 1
    assert {window.first for _, _, window in found} == {1 + 20 + 1}
    assert max(window.length for _, _, window in found) == 60 - 3 - 20


def test_a_long_context_has_windows_at_the_stride():
    tokenizer = TOKENIZERS["wordpiece"]
    found = [window for _, _, window in question_windows(tokenizer, ["the"], ["the " * 300], max_length=104, stride=30)]
    assert [window.start for window in found] == [0, 30, 60, 90, 120, 150, 180, 200]
    assert {window.length for window in found} == {100}


def test_wrong_sizes_and_counts():
    tokenizer = TOKENIZERS["wordpiece"]
    with pytest.raises(ValueError, match="room for a question and its context, got 5"):
        Windows(tokenizer, max_length=5, stride=1)
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        Windows(tokenizer, max_length=64, stride=0)
    with pytest.raises(ValueError, match="contexts must be as many as questions, got 1 and 2"):
        list(question_windows(tokenizer, ["a", "b"], ["c"], max_length=64, stride=1))


def test_a_template_without_separators_is_refused():
    content = json.loads(TOKENIZERS["wordpiece"].to_json())
    backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    cls = "[CLS]", backend.token_to_id("[CLS]")
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A", pair="[CLS] $A $B", special_tokens=[cls])
    with pytest.raises(DataError, match="separators before and behind its context; got another template"):
        context_separator(Tokenizer(backend))


def test_settings_are_checked():
    settings_ = SpanSettings(stride=64, max_answer_tokens=10, no_answer_threshold=0.5)
    assert SpanSettings.from_dict(json.loads(json.dumps(settings_.to_dict()))) == settings_
    for name, value in (
        ("stride", 0),
        ("max_answer_tokens", True),
        ("max_answer_tokens", 1.5),
    ):
        with pytest.raises(ValueError, match=f"{name} must be a positive whole number"):
            SpanSettings(**{name: value})
    with pytest.raises(ValueError, match="max_answer_tokens must be at most 512, got 513"):
        SpanSettings(max_answer_tokens=513)
    for value in (float("nan"), "0", True):
        with pytest.raises(ValueError, match="no_answer_threshold must be a finite number or null"):
            SpanSettings(no_answer_threshold=value)
    for values in ({}, {**settings_.to_dict(), "more": 1}, []):
        with pytest.raises(ValueError, match="expected an object with max_answer_tokens, no_answer_threshold, stride"):
            SpanSettings.from_dict(values)
