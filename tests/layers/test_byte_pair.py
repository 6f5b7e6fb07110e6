"""Tokens made by tensor operations are those of the `tokenizers` library: byte-level BPE."""

from __future__ import annotations

import numpy as np
import pytest
from graph_tokens import check_tokens
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_contract import array
from text_backends import TRAINING, VARIED, byte_bpe_backend
from tokenizers import processors

from kerastx.layers.byte_pair import BytePair
from kerastx.text.byte_pair_tables import BytePairTables
from kerastx.text.tokenizer import Tokenizer

SIZE, TOKENS = 192, 100


def untrimmed():
    backend = byte_bpe_backend()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False)
    return backend


BACKENDS = {"plain": byte_bpe_backend, "prefix": lambda: byte_bpe_backend(add_prefix_space=True), "whole": untrimmed}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def both(request):
    """A tokenizer and its layer."""
    tokenizer = Tokenizer(BACKENDS[request.param]())
    return tokenizer, BytePair(**vars(BytePairTables.of(tokenizer)), max_tokens=TOKENS)


def check_equal(both, texts):
    check_tokens(*both, texts, SIZE)


CUTS = ["it's we're I'd 'tis 's's ''s !'s 'S", "a\t b  c\n\n d   ", " \t x", "aaaaaaaa aaa", "12ab34 5.6,7", "\0a\0\0b"]


def test_varied_texts_together_and_one_by_one(both):
    texts = [text for text in [*VARIED, *CUTS] if len(text.encode()) <= SIZE]
    check_equal(both, texts)
    for text in texts[::3]:
        check_equal(both, [text])


WORDS = [word for text in [*TRAINING, *VARIED, *CUTS] for word in text.split(" ")]
ANY = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    st.lists(st.sampled_from([*WORDS, " ", "'s", "'ll", "\n"]), max_size=12).map("".join),
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
).map(lambda text: text.rstrip("\0"))


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(ANY.filter(lambda text: len(text.encode()) <= SIZE), min_size=4, max_size=4))
def test_any_texts(both, texts):
    check_equal(both, texts)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.binary(max_size=SIZE), min_size=4, max_size=4))
def test_bytes_that_are_no_text_stay_within_it(both, rows):
    """A text that is cut within a character, and worse: a client slices what it gave by begins and ends."""
    given = np.stack([np.frombuffer(row.ljust(SIZE, b"\0"), np.uint8) for row in rows])
    found = {name: array(values) for name, values in both[1](given).items()}
    assert (found["begins"] <= found["ends"]).all()
    assert (found["ends"] <= SIZE).all()
