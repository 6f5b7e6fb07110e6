"""The tokenizer in a graph of a few dozen bytes cuts texts of any length as the library does."""

from __future__ import annotations

import copy
import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from graph_tokenizers import BUDGET, KINDS, MAX_LENGTH, graph_tokenizer, library_tokenizer, manifest_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from text_backends import VARIED

from kerastx.errors import ArtifactError
from kerastx.runtime.graph_tokenizer import GraphTokenizer
from kerastx.text.question_windows import context_separator, question_windows
from kerastx.text.windows import windows

LONG = {
    "english": "The owner of the café isn't naïve; he paid 3.50 for unbelievable things, they'll say. " * 40,
    "chinese": "今天天气很好，我们去公园。「他说」：这是一个长句子！" * 100,
    "ideographs": "今天天气我们去公园。" * 300,
    "accents": "Ünïcödé cafe\u0301 ﬁne ÉCOLE naïve x² ½ " * 80,
    "emoji": "emoji 😍👩‍👩‍👧 🇫🇷 don't, 😍! " * 80,
    "white space": "two  blanks\tand \n\n a  line\r\nnbsp\u00a0and\u3000wide   three \u2028 end\n" * 60,
    "zeros": "nul\x00 \x00\x00 and\x00\x00, end\x00" * 90,
    "marks": "...,;!?()''\"\" 'll 's '' -- " * 90,
    "blanks": " " * 130 + "end",
}  # fmt: skip
MAX_LENGTHS = (None, MAX_LENGTH, 21, 20)
every_kind = pytest.mark.parametrize("kind", KINDS)


def assert_equal(found, expected, message):
    for name in ("token_ids", "segment_ids", "offsets"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other, err_msg=f"{name} {message!r}")


@every_kind
@pytest.mark.parametrize("max_length", MAX_LENGTHS)
def test_short_texts(kind, max_length):
    expected = library_tokenizer(kind).encode_batch(VARIED[:-1], max_length=max_length)
    found = graph_tokenizer(kind).encode_batch(VARIED[:-1], max_length=max_length)
    for text, one, other in zip(VARIED, found, expected, strict=False):
        assert_equal(one, other, text)


@every_kind
@pytest.mark.parametrize("name", LONG)
def test_long_texts(kind, name):
    text = LONG[name]
    for max_length in MAX_LENGTHS:
        expected = library_tokenizer(kind).encode(text, max_length=max_length)
        assert_equal(graph_tokenizer(kind).encode(text, max_length=max_length), expected, max_length)


@every_kind
@pytest.mark.parametrize("max_length", MAX_LENGTHS)
def test_pairs(kind, max_length):
    texts = ["", "a", *VARIED[8:11], LONG["english"][:700], LONG["emoji"][:300], "end\x00"]
    pairs = [(one, other) for one in texts for other in texts]
    found, expected = (
        tokenizer.encode_batch(*map(list, zip(*pairs, strict=True)), max_length=max_length)
        for tokenizer in (graph_tokenizer(kind, pair=True), library_tokenizer(kind))
    )
    for given_texts, one, other in zip(pairs, found, expected, strict=True):
        assert_equal(one, other, given_texts)


@every_kind
def test_a_graph_for_pairs_reads_single_texts(kind):
    for text in (*VARIED[:-1], LONG["english"]):
        for max_length in MAX_LENGTHS:
            expected = library_tokenizer(kind).encode(text, max_length=max_length)
            assert_equal(graph_tokenizer(kind, pair=True).encode(text, max_length=max_length), expected, text)


PIECES = [
    "the",
    "naïve",
    "café",
    "天气",
    "don't",
    "'s",
    "'",
    "，",
    "\x00",
    "😍",
    "e\u0301",
    "3.5",
    "_",
    "unbelievable",
    "½",
]
SEPARATORS = [" ", " ", "  ", "\n", "\r\n", "\u3000", "\u00a0", ", ", "。", "", "\x00"]
WORDS = st.tuples(st.sampled_from(PIECES) | st.text(max_size=4), st.sampled_from(SEPARATORS)).map("".join)
# Repeated: hypothesis likes short lists, and short texts are read in one piece.
TEXTS = st.builds(lambda words, times: "".join(words) * times, st.lists(WORDS, max_size=20), st.integers(1, 30))


def has_long_word(text):
    """Whether some word may have more bytes or tokens than the graph takes."""
    return max((len(word.encode()) for word in text.replace("_", " ").split()), default=0) >= MAX_LENGTH - 4


@given(kind=st.sampled_from(sorted(KINDS)), text=TEXTS, max_length=st.sampled_from(MAX_LENGTHS))
@settings(max_examples=300, deadline=None)
def test_any_text(kind, text, max_length):
    assume(len(text.encode("utf-8", "replace")) <= BUDGET or not has_long_word(text))
    expected = library_tokenizer(kind).encode(text, max_length=max_length)
    assert_equal(graph_tokenizer(kind).encode(text, max_length=max_length), expected, text)


@every_kind
def test_a_word_longer_than_the_graph_ends(kind):
    for text in ("x" * 1000, "今" * 500, " " * 1000, "\x00" * 1000, "x" * 1000 + " the end"):
        found = graph_tokenizer(kind).encode(text, max_length=None)
        assert found.offsets.max(initial=0) <= len(text)


def test_no_more_is_read_than_the_length_needs(monkeypatch):
    tokenizer = graph_tokenizer("wordpiece")
    runs = []
    tokenize = tokenizer._engine.tokenize
    monkeypatch.setattr(tokenizer._engine, "tokenize", lambda texts: runs.append(texts) or tokenize(texts))
    tokenizer.encode(LONG["english"], max_length=20)
    assert len(runs) == 1
    runs.clear()
    tokenizer.encode("the " * 5, max_length=MAX_LENGTH)
    assert len(runs) == 1
    runs.clear()
    tokenizer.encode((" " * 100 + "the") * 1000, max_length=MAX_LENGTH)
    assert 25 < len(runs) < 60


def test_windows_of_long_texts():
    one, other = graph_tokenizer("wordpiece", pair=True), library_tokenizer("wordpiece")
    for text in LONG.values():
        pairs = [windows(tokenizer.encode(text), max_length=32) for tokenizer in (one, other)]
        for found, expected in zip(*pairs, strict=True):
            assert_equal(found.encoding, expected.encoding, text)
            assert found.owned == expected.owned
    assert context_separator(one) == context_separator(other)
    sizes = {"max_length": 32, "stride": 8}
    texts = ["Who paid?"], [LONG["english"]]
    for (_, _, found), (_, _, expected) in zip(
        question_windows(one, *texts, **sizes), question_windows(other, *texts, **sizes), strict=True
    ):
        assert_equal(found.encoding, expected.encoding, texts)


def test_padding_tokens_and_errors_are_those_of_the_library():
    one, other = graph_tokenizer("wordpiece"), library_tokenizer("wordpiece")
    texts = ["the café", "unbelievable things"]
    assert [encoding.tokens for encoding in one.encode_batch(texts)] == [
        encoding.tokens for encoding in other.encode_batch(texts)
    ]
    found, expected = (tokenizer.pad(tokenizer.encode_batch(texts), length=12) for tokenizer in (one, other))
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    assert_equal(one.encode("a\udc80b"), other.encode("a\udc80b"), "a lone surrogate")
    assert one.encode_batch([]) == []
    with pytest.raises(ValueError, match="max_length must be at least 2 for the special tokens, got 1"):
        one.encode("a", max_length=1)
    with pytest.raises(TypeError, match="texts must be a list of strings, got one string"):
        one.encode_batch("abc")
    with pytest.raises(ValueError, match="id must be from 0 to"):
        one.token(10**6)


def test_threads_share_it():
    tokenizer = graph_tokenizer("wordpiece")
    texts = [*VARIED[:-1], LONG["english"][:800]] * 4
    expected = [encoding.token_ids.tolist() for encoding in tokenizer.encode_batch(texts)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: tokenizer.encode(text).token_ids.tolist(), texts))
    assert found == expected


def manifest(**changes):
    tokenizer = graph_tokenizer("wordpiece")
    entry = {
        "inputs": ["text"],
        "budget": BUDGET,
        "kind": "wordpiece",
        "single": [list(slot) for slot in tokenizer.template.single],
        "pair": [list(slot) for slot in tokenizer.template.pair],
        "pad_id": 0,
        "sep_id": 3,
    }
    return manifest_of(library_tokenizer("wordpiece"), {**copy.deepcopy(entry), **changes})


SLOTS = [[None, 2, 0], [0, 0, 0], [None, 3, 0]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"more": 1}, "has budget, inputs, kind, more, .*; expected inputs, budget, .*: export the file again"),
        ({"inputs": ["text", "pair"]}, r"promises the inputs \['text', 'pair'\], the graph has \['text'\]"),
        ({"inputs": 5}, "promises the inputs 5, the graph has"),
        ({"budget": BUDGET + 1}, f"promises {BUDGET + 1} bytes, the graph takes {BUDGET}"),
        ({"budget": float(BUDGET)}, f"has the budget {BUDGET}.0; expected at least 8 bytes"),
        ({"budget": 7}, "has the budget 7; expected at least 8 bytes"),
        ({"kind": ["wordpiece"]}, "has the kind .*; expected one of wordpiece, wordpiece_ideographs, byte_pair"),
        ({"kind": "unigram"}, "has the kind 'unigram'; expected one of"),
        ({"pad_id": -1}, "has the pad_id -1, which is no id"),
        ({"sep_id": "3"}, "has the sep_id '3', which is no id"),
        ({"pad_id": True}, "has the pad_id True, which is no id"),
        ({"sep_id": 100_000}, "has the sep_id 100000, which is no id"),
        ({"single": None}, "has a template single that is not a list of"),
        ({"single": [*SLOTS, [None, 2**31, 0]]}, "has a template single that is not a list of"),
        ({"single": [*SLOTS, [0.0, 2, 0]]}, "has a template single that is not a list of"),
        ({"single": [*SLOTS, [None, 2]]}, "has a template single that is not a list of"),
        ({"single": SLOTS[:1]}, r"has a template single without the texts \[0\]"),
        ({"pair": SLOTS}, r"has a template pair without the texts \[0, 1\]"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(changes, reason):
    with pytest.raises(ArtifactError, match=f"its manifest has a wrong entry: text {reason}") as caught:
        GraphTokenizer(manifest(**changes), graph_tokenizer("wordpiece")._engine)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pair": True}, r"has the inputs \['text'\], and the file is for pairs"),
        ({"max_length": 1000}, f"is of a graph of {MAX_LENGTH} tokens, the file says 1000"),
        ({"text": {}}, "has nothing; expected inputs"),
    ],
)
def test_a_manifest_that_does_not_fit_the_graph_is_refused(changes, reason):
    wrong = dataclasses.replace(manifest(), **changes)
    with pytest.raises(ArtifactError, match=f"its manifest has a wrong entry: text {reason}"):
        GraphTokenizer(wrong, graph_tokenizer("wordpiece")._engine)


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"model": {"vocab": {"a": []}}, "added_tokens": []}'])
def test_a_vocabulary_is_read_when_it_is_asked_for(content):
    wrong = manifest_of(library_tokenizer("wordpiece"), manifest().text)
    object.__setattr__(wrong, "tokenizer", content)
    tokenizer = GraphTokenizer(wrong, graph_tokenizer("wordpiece")._engine)
    encoding = tokenizer.encode("the café")
    with pytest.raises(ArtifactError, match="the tokenizer.json in the file has no vocabulary"):
        encoding.tokens  # noqa: B018
