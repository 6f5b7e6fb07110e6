"""Tokens made by tensor operations are those of the `tokenizers` library: ids, and the bytes of each."""

from __future__ import annotations

import numpy as np
import pytest
from graph_tokens import check_tokens
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_contract import array
from text_backends import TRAINING, VARIED, wordpiece_backend

from kerastx.layers.wordpiece import WordPiece
from kerastx.text.graph_tables import WordPieceTables
from kerastx.text.tokenizer import Tokenizer

SIZE, TOKENS = 256, 128


def tokenizers_by_name():
    cased = wordpiece_backend()
    cased.normalizer = type(cased.normalizer)(lowercase=False, strip_accents=False)
    return {
        "uncased": Tokenizer(wordpiece_backend()),
        "cased": Tokenizer(cased),
        "trained": Tokenizer.train([*TRAINING, *VARIED] * 3, vocabulary_size=400),
    }


@pytest.fixture(scope="module", params=["uncased", "cased", "trained"])
def both(request):
    """A tokenizer and its layer."""
    tokenizer = tokenizers_by_name()[request.param]
    return tokenizer, WordPiece(**vars(WordPieceTables.of(tokenizer)), max_tokens=TOKENS)


def check_equal(both, texts):
    check_tokens(*both, texts, SIZE)


def test_varied_texts_together_and_one_by_one(both):
    texts = [text for text in VARIED if len(text.encode()) <= SIZE]
    check_equal(both, texts)
    for text in texts:
        check_equal(both, [text])


WORDS = [word for text in [*TRAINING, *VARIED] for word in text.split(" ")]
ANY = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=50),
    st.lists(st.sampled_from(WORDS), max_size=12).map("".join),
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ANY.filter(lambda text: len(text.encode()) <= SIZE), min_size=4, max_size=4))
def test_any_texts(both, texts):
    check_equal(both, texts)


@pytest.mark.parametrize("length", [1, 99, 100, 101, 200])
def test_words_that_are_too_long_are_unknown(both, length):
    check_equal(both, ["a" * length, "the " + "a" * length + " things", "." * length])


def test_bytes_to_the_very_end(both):
    check_equal(both, ["a" * SIZE, "好" * (SIZE // 3), "a " * (SIZE // 2), " " * SIZE, ""])


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.binary(max_size=SIZE), min_size=4, max_size=4))
def test_bytes_that_are_no_text_stay_within_it(both, rows):
    """A text that is cut within a character, and worse: a client slices what it gave by begins and ends."""
    given = np.stack([np.frombuffer(row.ljust(SIZE, b"\0"), np.uint8) for row in rows])
    found = {name: array(values) for name, values in both[1](given).items()}
    assert (found["begins"] <= found["ends"]).all()
    assert (found["ends"] <= SIZE).all()


def test_a_character_that_is_cut_is_left_out_as_the_reference_leaves_its_replacement_out(both):
    tokenizer, layer = both
    content = ("the things " + "好" * 90).encode()[:SIZE]
    expected = tokenizer.encode(content.decode("utf-8", "replace")).token_ids[1:-1]
    found = array(layer(np.frombuffer(content, np.uint8)[None])["token_ids"])[0]
    assert found[: len(expected)].tolist() == expected.tolist()
    assert not found[len(expected) :].any()
