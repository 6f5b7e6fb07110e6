"""Train byte-level BPE vocabularies, which hold any text exactly: of pieces of words, or of single characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, processors, trainers

from kerastx.errors import DataError
from kerastx.text.well_formed import SURROGATE

BYTE_SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # in RoBERTa's order
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
MINIMUM_BYTE_VOCABULARY = len(BYTE_SPECIAL_TOKENS) + len(BYTES)


def train_byte_bpe(texts: Iterable[str], *, vocabulary_size: int, characters: bool) -> tokenizers.Tokenizer:
    """Return a trained backend with RoBERTa's special tokens and the template <s> A </s>; see `Tokenizer.train`.

    Args:
        texts: read twice.
        vocabulary_size: with the special tokens and the 256 bytes.
        characters: no piece is longer than a character; one that is too rare for a place of its own is its bytes.
    """
    check_byte_vocabulary_size(vocabulary_size)
    if isinstance(texts, Iterator):
        texts = list(texts)
    if not any(texts):
        raise DataError("there is no text to train a tokenizer on")
    backend = _untrained(characters)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(BYTE_SPECIAL_TOKENS),
        initial_alphabet=BYTES,
        min_frequency=2,
        show_progress=False,
    )
    backend.train_from_iterator((SURROGATE.sub("�", text) for text in texts), trainer)
    start, end = ((token, backend.token_to_id(token)) for token in ("<s>", "</s>"))
    backend.post_processor = processors.TemplateProcessing(
        single=f"{start[0]} $A {end[0]}",
        pair=f"{start[0]} $A {end[0]} {end[0]} $B {end[0]}",
        special_tokens=[start, end],
    )
    return backend


def check_byte_vocabulary_size(size: int) -> None:
    """ValueError for a vocabulary that has no room for every byte."""
    if size < MINIMUM_BYTE_VOCABULARY:
        raise ValueError(
            f"vocabulary_size must be at least {MINIMUM_BYTE_VOCABULARY}, the bytes and the special tokens, got {size}."
        )


def _untrained(characters: bool) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    if characters:
        split = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
        as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([split, as_bytes])
    else:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend
