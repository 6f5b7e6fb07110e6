"""The tables of a byte-level BPE hold its merges and no others, and are made of no other kind of tokenizer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from text_backends import byte_bpe_backend, unigram_backend, wordpiece_backend
from tokenizers import normalizers, pre_tokenizers

from kerastx.errors import DataError
from kerastx.text.byte_pair_tables import BLANK, LETTER, NUMBER, OTHER, BytePairTables
from kerastx.text.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(byte_bpe_backend())


@pytest.fixture(scope="module")
def tables(tokenizer):
    return BytePairTables.of(tokenizer)


@pytest.fixture(scope="module")
def merges(tokenizer):
    """The ids of each merge: first, second and what they become."""
    model = json.loads(tokenizer.to_json())["model"]
    return [(*(model["vocab"][one] for one in pair), model["vocab"]["".join(pair)]) for pair in model["merges"]]


def merge_of(tables, first, second):
    """Look a pair of tokens up, as the layer does: the merge's number and token, or None."""
    number = tables.slots[int(tables.rows[first]) + second]
    return (number, tables.merged[number]) if tables.firsts[number] == first else None


def test_every_merge_is_found_and_its_number_is_its_rank(tables, merges):
    assert len(merges) > 100
    for rank, (first, second, token) in enumerate(merges, 1):
        assert merge_of(tables, first, second) == (rank, token)


def test_a_pair_without_a_merge_is_not_found(tables, merges, tokenizer):
    known = {(first, second) for first, second, _ in merges}
    size = tokenizer.vocabulary_size
    for first in range(size + 1):  # the last stands for no token
        found = [second for second in range(size + 1) if merge_of(tables, first, second)]
        assert found == sorted(second for one, second in known if one == first)


def test_each_byte_has_its_token(tables, tokenizer):
    assert tables.symbols.shape == (256,)
    assert len(set(tables.symbols.tolist())) == 256
    shown = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for character in ("a", "!", " ", "\n", "\0", "\xad"):
        ((letters, _),) = shown.pre_tokenize_str(character)
        found = [tokenizer.token(tables.symbols[byte]) for byte in character.encode()]
        assert found == list(letters)


def test_the_class_of_a_character(tables):
    expected = {"a": LETTER, "é": LETTER, "好": LETTER, "7": NUMBER, "½": NUMBER, " ": BLANK, "\u3000": BLANK}
    for character, kind in {**expected, ",": OTHER, "😍": OTHER, "_": OTHER, "\u0301": OTHER}.items():
        assert tables.classes[tables.pages[ord(character) // 256], ord(character) % 256] == kind, character


@pytest.mark.parametrize("trims", [True, False])
def test_blanks_at_the_ends_of_tokens_are_counted_where_offsets_leave_them_out(trims):
    content = json.loads(byte_bpe_backend().to_str())
    content["post_processor"]["trim_offsets"] = trims
    tokenizer = Tokenizer.from_json(json.dumps(content))
    tables = BytePairTables.of(tokenizer)
    tokens = [tokenizer.token(number) for number in range(tokenizer.vocabulary_size)]
    leading = [len(token) - len(token.lstrip("Ġ")) for token in tokens]
    trailing = [len(token) - len(token.rstrip("Ġ")) for token in tokens]
    assert sum(leading) > 10
    assert tables.leading.tolist() == (leading if trims else [0] * len(tokens))
    assert tables.trailing.tolist() == (trailing if trims else [0] * len(tokens))


@pytest.mark.parametrize("has_prefix", [True, False])
def test_a_blank_before_a_text(has_prefix):
    tables = BytePairTables.of(Tokenizer(byte_bpe_backend(add_prefix_space=has_prefix)))
    assert tables.has_prefix is has_prefix


def test_the_size_is_that_of_all_arrays(tables):
    arrays = [value for value in vars(tables).values() if isinstance(value, np.ndarray)]
    assert len(arrays) == 9
    assert tables.size_bytes == sum(array.nbytes for array in arrays) < 100_000


def with_normalizer():
    backend = byte_bpe_backend()
    backend.normalizer = normalizers.NFC()
    return backend


def without_pattern():
    backend = byte_bpe_backend()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return backend


@pytest.mark.parametrize(
    ("backend", "got"),
    [
        (wordpiece_backend, "'WordPiece', 'BertNormalizer', 'BertPreTokenizer'"),
        (unigram_backend, "'Unigram', 'Sequence', 'Sequence'"),
        (with_normalizer, "'BPE', 'NFC', 'ByteLevel'"),
        (without_pattern, "'BPE', None, 'ByteLevel'"),
    ],
)
def test_another_kind_of_tokenizer(backend, got):
    tokenizer = Tokenizer(backend())
    expected = "expected a byte-level BPE tokenizer with the pattern of GPT-2 and no normalizer"
    with pytest.raises(DataError, match=rf"{expected}, got \[{got}\]"):
        BytePairTables.of(tokenizer)


def changed(*, merges=(), tokens=(), **choices):
    content = json.loads(byte_bpe_backend().to_str())
    model = content["model"] | choices
    model["vocab"] |= {token: number for number, token in enumerate(tokens, len(model["vocab"]))}
    model["merges"] += [pair.split() for pair in merges]
    return Tokenizer.from_json(json.dumps({**content, "model": model}))


def test_whole_words_that_are_looked_up_first():
    tokenizer = changed(ignore_merges=True)
    with pytest.raises(DataError, match="expected a .* tokenizer that merges, got one that looks whole words up first"):
        BytePairTables.of(tokenizer)


def test_two_merges_of_one_token():
    tokenizer = changed(merges=["q z", "z q", "qz q", "q zq"], tokens=["qz", "zq", "qzq"])
    with pytest.raises(DataError, match="expected each token .* to be made by one merge, got several"):
        BytePairTables.of(tokenizer)
