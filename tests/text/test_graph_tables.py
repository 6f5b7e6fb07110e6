"""Tries in two arrays hold the words they were built of and no others; tables fit only what they were made for."""

from __future__ import annotations

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from text_backends import byte_bpe_backend, wordpiece_backend
from tokenizers import normalizers, processors

from kerastx.errors import DataError
from kerastx.text.byte_pair_tables import BytePairTables
from kerastx.text.double_array import DEAD, DoubleArray
from kerastx.text.graph_tables import OTHER, WordPieceTables
from kerastx.text.tokenizer import Tokenizer
from kerastx.text.unicode_units import LETTER, REMOVED, unicode_units

LETTERS = 7
WORDS = st.dictionaries(
    st.tuples(st.integers(0, 1), st.lists(st.integers(1, LETTERS - 1), min_size=1, max_size=5).map(tuple)),
    st.integers(0, 1000),
    max_size=40,
)


def read(trie, root, letters):
    """Walk as a reader does; return the number and the letters read, or None."""
    state = 1 + root
    for letter in letters:
        target = trie.base[state] + letter
        state = target if trie.check[target] == state else DEAD
    return None if trie.value[state] < 0 else (trie.value[state], trie.depth[state])


@settings(max_examples=60, deadline=None)
@given(words=WORDS, others=WORDS)
def test_a_trie_holds_its_words_and_no_others(words, others):
    trie = DoubleArray.build(
        [(root, letters, number) for (root, letters), number in words.items()], num_roots=2, num_letters=LETTERS
    )
    for (root, letters), number in words.items():
        assert read(trie, root, letters) == (number, len(letters))
    for root, letters in others.keys() - words.keys():
        assert read(trie, root, letters) is None


def test_nothing_leads_out_of_the_dead_state():
    trie = DoubleArray.build([(0, (1, 2), 5)], num_roots=2, num_letters=LETTERS)
    for letter in range(LETTERS):
        assert trie.check[trie.base[DEAD] + letter] != DEAD


def test_tables_are_small_and_name_what_no_token_has():
    tables = WordPieceTables.of(Tokenizer(wordpiece_backend()))
    assert tables.size_bytes < 200_000
    code = ord("ß")  # in no token of this vocabulary
    assert tables.units[tables.pages[tables.groups[code // 1024], code // 32 % 32], code % 32] == 4 * OTHER + LETTER
    assert not tables.expansions[0].any()
    letters = max(tables.units.max(), tables.expansions.max()) // 4
    assert np.abs(tables.base.astype(int)).max() + letters < len(tables.check)  # no reader falls off the end


def test_every_code_point_has_its_units():
    backend = wordpiece_backend()
    known, tables = unicode_units(backend), WordPieceTables.of(Tokenizer(backend))
    code = np.arange(len(known.kinds))
    value = tables.units[tables.pages[tables.groups[code // 1024], code // 32 % 32], code % 32].astype(int)
    units = tables.expansions[np.maximum(-value, 0)].astype(int)
    units[:, 0] += np.maximum(value, 0)
    np.testing.assert_array_equal(units % 4, known.kinds)
    # A character is one letter, and a letter one character or any that no token has.
    is_unit = known.kinds != REMOVED
    pairs = np.unique(np.stack([known.characters[is_unit], units[is_unit] // 4]), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]
    letters = pairs[1][pairs[1] != OTHER]
    assert len(np.unique(letters)) == len(letters) > 20


def test_another_kind_of_tokenizer():
    with pytest.raises(DataError, match="expected a WordPiece tokenizer with BERT's normalizer"):
        WordPieceTables.of(Tokenizer(byte_bpe_backend()))


def added_words(backend):
    backend.add_tokens(["covid-19"])
    return backend


def unclean(backend):
    backend.normalizer = normalizers.BertNormalizer(clean_text=False)
    return backend


@pytest.mark.parametrize(
    ("backend", "tables", "reason"),
    [
        (lambda: added_words(wordpiece_backend()), WordPieceTables, "without added words, got 'covid-19'"),
        (lambda: added_words(byte_bpe_backend()), BytePairTables, "without added words, got 'covid-19'"),
        (lambda: unclean(wordpiece_backend()), WordPieceTables, "that removes control characters"),
    ],
)
def test_what_the_graph_would_read_otherwise_is_refused(backend, tables, reason):
    with pytest.raises(DataError, match=f"expected a .*tokenizer .*{reason}"):
        tables.of(Tokenizer(backend()))


def test_offsets_are_trimmed_wherever_the_post_processor_says_so():
    backend = byte_bpe_backend()
    template = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    for trims in (True, False):
        backend.post_processor = processors.Sequence(
            [processors.ByteLevel(add_prefix_space=False, trim_offsets=trims), template]
        )
        tables = BytePairTables.of(Tokenizer(tokenizers.Tokenizer.from_str(backend.to_str())))
        assert tables.leading.any() == trims


def test_two_answers_about_the_prefix_are_refused():
    backend = byte_bpe_backend()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    with pytest.raises(DataError, match="that trims offsets as it cuts, got add_prefix_space twice"):
        BytePairTables.of(Tokenizer(backend))
