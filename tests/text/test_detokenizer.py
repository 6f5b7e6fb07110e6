"""Tables that turn token ids into text as the decoders of the library do, of every tokenizer that a writer may have."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_backends import BACKENDS, VARIED
from tokenizers import AddedToken, Regex, decoders

from kerastx.errors import DataError
from kerastx.text.detokenizer import Detokenizer
from kerastx.text.detokenizer_tables import detokenizer_tables
from kerastx.text.huggingface_files import WritingIds, read_huggingface_tokenizer
from kerastx.text.marian_files import read_marian_tokenizers
from kerastx.text.tokenizer import Tokenizer

WRITERS = Path(__file__).resolve().parent.parent / "golden" / "writers"


def imported(name: str) -> Tokenizer:
    return read_huggingface_tokenizer(WRITERS / name, writing=WritingIds(begin=(1,), end=(2,), pad=0))


def marian(side: int) -> Tokenizer:
    return read_marian_tokenizers(WRITERS / "marian-two-tables", WritingIds(begin=(1,), end=(0,), pad=1))[side]


def decoding_with(name: str, decoder: decoders.Decoder, *added: str) -> Tokenizer:
    backend = BACKENDS[name]()
    backend.decoder = decoder
    backend.add_tokens([AddedToken(token) for token in added])
    return Tokenizer(backend)


IMPORTED = ("gpt2", "bart", "qwen2", "smollm", "llama-3", "llama", "t5")
TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    **{name: functools.partial(lambda name: Tokenizer(BACKENDS[name]()), name) for name in BACKENDS},
    **{name: functools.partial(imported, name) for name in IMPORTED},
    "marian source": lambda: marian(0),
    "marian target": lambda: marian(1),
    "characters": lambda: Tokenizer.train(VARIED, vocabulary_size=320, kind="characters"),
    "without cleanup": lambda: decoding_with("bert", decoders.WordPiece(cleanup=False), " x", "do not", "n't"),
    "added to bytes": lambda: decoding_with("roberta", decoders.ByteLevel(), "  ", "é今", "▁"),
    "never a blank in front": lambda: decoding_with("xlm-r", decoders.Metaspace(prepend_scheme="never")),
}  # fmt: skip


@functools.cache
def both(name: str) -> tuple[Tokenizer, Detokenizer]:
    tokenizer = TOKENIZERS[name]()
    # As it comes out of a file.
    return tokenizer, Detokenizer(json.loads(json.dumps(detokenizer_tables(tokenizer))))


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
def test_texts_are_read_back(name):
    tokenizer, detokenizer = both(name)
    assert detokenizer.vocabulary_size == tokenizer.vocabulary_size
    for role in ("begin_ids", "end_ids", "special_ids"):
        assert getattr(detokenizer, role) == getattr(tokenizer, role)
    for text, ids in zip(VARIED, tokenizer.encode_ids(VARIED), strict=True):
        assert detokenizer.decode(ids) == tokenizer.decode(ids), text
    for number in range(tokenizer.vocabulary_size):
        for ids in ([number], [number, number], [5, number]):
            assert detokenizer.decode(ids) == tokenizer.decode(ids), ids
    assert detokenizer.decode([-1, tokenizer.vocabulary_size, 10**6]) == "" == detokenizer.decode([])


@given(name=st.sampled_from(sorted(TOKENIZERS)), numbers=st.lists(st.integers(0, 10**6)))
@settings(max_examples=600, deadline=None)
def test_any_tokens_are_read_back(name, numbers):
    tokenizer, detokenizer = both(name)
    ids = [number % (tokenizer.vocabulary_size + 2) for number in numbers]
    assert detokenizer.decode(ids) == tokenizer.decode(ids)


@given(content=st.binary(), words=st.lists(st.sampled_from(["▁", "▁the", "a", "<unk>"])))
@settings(max_examples=200, deadline=None)
def test_bytes_that_stand_for_characters(content, words):
    tokenizer, detokenizer = both("llama")
    number = {tokenizer.token(one): one for one in range(tokenizer.vocabulary_size)}
    ids = [number[f"<0x{byte:02X}>"] for byte in content]
    for place, word in enumerate(words):
        ids.insert(3 * place, number.get(word, 300))
    assert detokenizer.decode(ids) == tokenizer.decode(ids)


NO_TABLES = {
    "expected a decoder of bytes, words or pieces, got BPEDecoder": decoders.BPEDecoder(),
    "got Fuse and Metaspace": decoders.Sequence([decoders.Fuse(), decoders.Metaspace()]),
    "got ByteFallback and Fuse and Strip": decoders.Sequence(
        [decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 2, 0)]
    ),
    "expected a token for every byte, got 1": decoders.Sequence(
        [decoders.Replace("e", "<0x41>"), decoders.ByteFallback(), decoders.Fuse()]
    ),
    "expected a decoder that replaces strings, got one that replaces {'Regex': '▁+'}": decoders.Sequence(
        [decoders.Replace(Regex("▁+"), " "), decoders.Fuse()]
    ),
}


@pytest.mark.parametrize("message", NO_TABLES)
def test_a_decoder_without_tables(message):
    tokenizer = decoding_with("xlm-r", NO_TABLES[message])
    with pytest.raises(DataError, match=re.escape(message)):
        detokenizer_tables(tokenizer)


def test_blanks_that_are_no_marks_have_no_tables():
    tokenizer = decoding_with("xlm-r", decoders.Metaspace(), "two words")
    with pytest.raises(DataError, match="expected a decoder of pieces that write blanks as '▁', got others too"):
        detokenizer_tables(tokenizer)


BROKEN = {
    "has the kind 'letters'": ("roberta", {"kind": "letters"}),
    "has the kind {}": ("roberta", {"kind": {}}),
    "has begin_ids, end_ids, kind, leading, special_ids, tokens; expected": ("roberta", {"leading": "none"}),
    "has tokens that are not a list of strings": ("roberta", {"tokens": ["a", 1]}),
    "has tokens that are not a list": ("roberta", {"tokens": []}),
    "has begin_ids that are no tokens": ("roberta", {"begin_ids": []}),
    "has end_ids that are no tokens": ("roberta", {"end_ids": [10**6]}),
    "has special_ids that are no tokens": ("roberta", {"special_ids": [True]}),
    "has characters that are no bytes": ("roberta", {"tokens": ["▁"] * 400}),
    "has a prefix and cleanup that are not a string": ("bert", {"cleanup": [["a", 1]]}),
    "has 'all' for leading": ("llama", {"leading": "all"}),
    "has bytes that are not 256 tokens": ("llama", {"bytes": [3, 4]}),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_wrong_entry(message):
    name, changes = BROKEN[message]
    entry = detokenizer_tables(TOKENIZERS[name]()) | changes
    with pytest.raises(DataError, match=re.escape(f"its detokenizer {message}")):
        Detokenizer(entry)
