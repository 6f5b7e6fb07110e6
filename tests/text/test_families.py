from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from text_backends import BACKENDS, VARIED
from tokenizers import models, pre_tokenizers

from kerastx.errors import DataError
from kerastx.text.huggingface_files import WritingIds, read_huggingface_tokenizer
from kerastx.text.tokenizer import Tokenizer

NAMES = list(BACKENDS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("max_length", [None, 4, 5, 8, 17])
def test_ids_and_segments_are_those_of_the_library(backends, name, max_length):
    tokenizer, reference = Tokenizer(backends(name)), backends(name)
    if max_length is not None:
        reference.enable_truncation(max_length)
    pairs = list(itertools.product(VARIED, VARIED[::3]))
    firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
    expected = [*reference.encode_batch(VARIED), *reference.encode_batch(pairs)]
    found = tokenizer.encode_batch(VARIED, max_length=max_length)
    found += tokenizer.encode_batch(firsts, seconds, max_length=max_length)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.token_ids.tolist() == theirs.ids
        assert ours.segment_ids.tolist() == theirs.type_ids
        assert ours.offsets.tolist() == [list(span) for span in theirs.offsets]


@pytest.mark.parametrize("name", NAMES)
def test_a_tokenizer_survives_its_json(backends, name):
    tokenizer = Tokenizer(backends(name))
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again.sha256 == tokenizer.sha256
    assert again.template == tokenizer.template
    assert again.special_ids == tokenizer.special_ids
    np.testing.assert_array_equal(again.word_start, tokenizer.word_start)
    for text in VARIED:
        np.testing.assert_array_equal(again.encode(text, "mir").token_ids, tokenizer.encode(text, "mir").token_ids)


@given(st.sampled_from(NAMES), st.text(max_size=40), st.text(max_size=40), st.integers(4, 30))
def test_no_encoding_is_longer_than_asked_for(name, first, second, max_length):
    tokenizer = _TOKENIZERS[name]
    for encoding, whole in (
        (tokenizer.encode(first, max_length=max_length), tokenizer.encode(first)),
        (tokenizer.encode(first, second, max_length=max_length), tokenizer.encode(first, second)),
    ):
        assert len(encoding) == min(len(whole), max_length)
        assert len(encoding.token_ids) == len(encoding.segment_ids) == len(encoding.offsets)
        assert encoding.token_ids.max() < tokenizer.vocabulary_size


_TOKENIZERS = {name: Tokenizer(backend()) for name, backend in BACKENDS.items()}


def test_the_least_length_is_that_of_the_template(backends):
    tokenizer = Tokenizer(backends("roberta"))
    assert tokenizer.encode("the", "mir", max_length=4).tokens == ["<s>", "</s>", "</s>", "</s>"]
    with pytest.raises(ValueError, match="max_length must be at least 4 .* got 3"):
        tokenizer.encode("the", "mir", max_length=3)


def test_padding_uses_the_pad_id(backends):
    tokenizer = Tokenizer(backends("roberta"))
    inputs = tokenizer.pad([tokenizer.encode("the")], length=20)
    assert tokenizer.pad_id == 1
    assert (inputs["token_ids"][~inputs["padding_mask"]] == 1).all()


@pytest.mark.parametrize(
    ("name", "family", "starts"),
    [
        ("bert", "WordPiece", [True, True, False]),
        ("roberta", "BPE", [False, False, True]),
        ("roberta-prefix", "BPE", [True, True]),
        ("albert", "Unigram", [True, False, True]),
    ],
)
def test_words_start_at_the_mark_of_the_family(backends, name, family, starts):
    tokenizer = Tokenizer(backends(name))
    assert tokenizer.family == family
    ids = tokenizer.encode_ids(["the owners"])[0]
    assert tokenizer.word_start[ids].tolist()[: len(starts)] == starts
    assert tokenizer.word_start[list(tokenizer.special_ids)].all()


def test_other_blanks_than_the_space_start_a_word_of_byte_level_bpe(backends):
    tokenizer = Tokenizer(backends("roberta"))
    ids = tokenizer.encode_ids(["a\n\tb"])[0]
    assert [tokenizer.token(id) for id in ids] == ["a", "Ċ", "ĉ", "b"]
    assert tokenizer.word_start[ids].tolist() == [False, True, True, False]


@pytest.mark.parametrize("name", NAMES)
def test_decoding_gives_the_text_without_special_tokens(backends, name):
    backend = backends(name)
    tokenizer = Tokenizer(backend)
    assert tokenizer.decode(tokenizer.encode("the owner").token_ids).strip() == "the owner"
    content = {**json.loads(tokenizer.to_json()), "decoder": None}
    plain = Tokenizer.from_json(json.dumps(content))
    assert plain.decode(plain.encode("the owner").token_ids).strip() == "the owner"


def test_case_is_known_for_every_family(backends):
    assert [Tokenizer(backends(name)).lowercase for name in NAMES] == [True, True, False, False, True, False]


def masked_like_the_library(backend: tokenizers.Tokenizer, text: str) -> list[int]:
    """Encode with all special tokens read; only the mask token may be in the text."""
    backend.encode_special_tokens = False
    return backend.encode(text).ids


@pytest.mark.parametrize("name", NAMES)
def test_the_mask_token_of_a_text_is_read_as_the_library_does(backends, name):
    tokenizer = Tokenizer(backends(name))
    mask = tokenizer.token(tokenizer.mask_id)
    for text in (mask, f"the {mask} paid", f"the  {mask}, x{mask}y", f"{mask}{mask} {mask}\n", f"«\t{mask}»"):
        encoding = tokenizer.encode_masked(text)
        assert encoding.token_ids.tolist() == masked_like_the_library(backends(name), text)
        assert (encoding.token_ids == tokenizer.mask_id).sum() == text.count(mask)
        assert tokenizer.mask_id not in tokenizer.encode(text).token_ids
        np.testing.assert_array_equal(tokenizer.encode_masked(text, max_length=4).token_ids[:3], encoding.token_ids[:3])
    np.testing.assert_array_equal(tokenizer.encode_masked("the").token_ids, tokenizer.encode("the").token_ids)


def test_blanks_before_a_mask_belong_to_it_where_it_says_so(backends):
    tokenizer = Tokenizer(backends("roberta"))
    assert tokenizer.encode_masked("the   <mask> paid").tokens[-4:] == ["e", "<mask>", "Ġpaid", "</s>"]
    assert tokenizer.encode_masked("<mask> </s> <s>").token_ids.tolist().count(tokenizer.sep_id) == 1
    assert Tokenizer(backends("bert")).encode_masked("[mask]").tokens.count("[MASK]") == 0


def test_dropout_is_switched_off(backends):
    backend = backends("roberta")
    backend.model.dropout = 0.9
    tokenizer = Tokenizer(backend)
    assert json.loads(tokenizer.to_json())["model"]["dropout"] is None
    assert len({tuple(tokenizer.encode("unbelievable things").token_ids) for _ in range(20)}) == 1


def test_other_models_are_refused(backends):
    backend = backends("roberta")
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(DataError, match="byte-level BPE tokenizer, got a BPE tokenizer without its 'Ġ'"):
        Tokenizer(backend)
    backend = backends("albert")
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(DataError, match="marks words with '▁', got one that does not"):
        Tokenizer(backend)
    with pytest.raises(DataError, match="byte-level BPE or Unigram tokenizer, got WordLevel"):
        Tokenizer(tokenizers.Tokenizer(models.WordLevel({"a": 0}, "a")))


def test_a_normalizer_that_panics_is_refused(backends, capfd):
    broken = {"type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAIA="}
    content = {**json.loads(backends("albert").to_str()), "normalizer": broken}
    with pytest.raises(DataError, match="cannot split a text: index out of bounds"):
        Tokenizer.from_json(json.dumps(content))
    capfd.readouterr()


def test_pieces_of_characters_and_bytes_of_sentencepiece():
    """Llama 2: BPE that marks words with "▁" and has a token for each byte."""
    golden = Path(__file__).resolve().parent.parent / "golden" / "writers" / "llama"
    tokenizer = read_huggingface_tokenizer(golden, writing=WritingIds((1,), (2,)))
    assert tokenizer.family == "SentencePieceBPE"
    ids = tokenizer.encode_ids(["The owner ☃"])[0]
    assert tokenizer.decode(ids) == "The owner ☃"
    assert tokenizer.token(int(ids[-1])) == "<0x83>"
    starts = [tokenizer.token(int(token)) for token in ids if tokenizer.word_start[token]]
    assert all(token.startswith("▁") for token in starts)
    assert len(starts) == 3
    assert not tokenizer.lowercase
