"""Two texts share a length as the library shares it."""

from __future__ import annotations

import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from kerastx.text.encoding import truncated_lengths
from kerastx.text.tokenizer import Tokenizer

_LETTERS = Tokenizer.train(["a b c d e f g"] * 3, vocabulary_size=64)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(3, 40))
def test_pairs_are_truncated_as_the_tokenizers_library_does(first, second, max_length):
    reference = tokenizers.Tokenizer.from_str(_LETTERS.to_json())
    reference.enable_truncation(max_length, strategy="longest_first")
    texts = " ".join("a" * first), " ".join("b" * second)
    assert _LETTERS.encode(*texts, max_length=max_length).token_ids.tolist() == reference.encode(*texts).ids


def test_lengths_that_fit_stay():
    assert truncated_lengths(3, 4, None) == (3, 4)
    assert truncated_lengths(3, 4, 7) == (3, 4)
