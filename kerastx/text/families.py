"""The kinds of subword vocabularies: how each marks words, and how its pieces become text again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders, models

from kerastx.errors import DataError
from kerastx.text.special_tokens import CONTINUATION, one_line_errors


@dataclass(frozen=True)
class Family:
    """A kind of vocabulary.

    Attributes:
        name: "WordPiece", "BPE", which is byte-level, "SentencePieceBPE" or "Unigram".
        word_marks: what the first piece of a word starts with; without any, all pieces but "##..." start a word.
        decoder: makes the decoder of a backend that has none.
    """

    name: str
    word_marks: tuple[str, ...]
    decoder: type

    def word_start(self, tokens: Sequence[str], added: frozenset[str]) -> np.ndarray:
        """Return a bool, (V,), that is True for the pieces that start a word, and for the added tokens."""
        if not self.word_marks:
            return np.array([not token.startswith(CONTINUATION) for token in tokens])
        return np.array([token.startswith(self.word_marks) or token in added for token in tokens])


# Byte-level BPE writes each byte as one letter: these are the space and the other blanks of ASCII, each of which
# begins what the pre-tokenizer cuts off before a word.
BYTE_BLANKS = ("Ġ", "ĉ", "Ċ", "ċ", "Č", "č")

WORDPIECE = Family("WordPiece", (), decoders.WordPiece)
BYTE_BPE = Family("BPE", BYTE_BLANKS, decoders.ByteLevel)
# Of characters, and of bytes for characters that it lacks: Llama 2.
SENTENCEPIECE_BPE = Family("SentencePieceBPE", ("▁",), decoders.Metaspace)
UNIGRAM = Family("Unigram", ("▁",), decoders.Metaspace)


def family_of(backend: tokenizers.Tokenizer) -> Family:
    """Return the family of a backend; DataError for a model that is none of them as our models use them."""
    model = backend.model
    if isinstance(model, models.WordPiece):
        if model.continuing_subword_prefix != CONTINUATION:
            raise DataError(
                f"expected the prefix '##' in a WordPiece tokenizer, got {model.continuing_subword_prefix!r}"
            )
        return WORDPIECE
    if isinstance(model, models.BPE):
        if model.byte_fallback and _marks_a_space(backend, SENTENCEPIECE_BPE):
            return SENTENCEPIECE_BPE
        if not _marks_a_space(backend, BYTE_BPE):
            raise DataError("expected a byte-level BPE tokenizer, got a BPE tokenizer without its 'Ġ'")
        return BYTE_BPE
    if isinstance(model, models.Unigram):
        if not _marks_a_space(backend, UNIGRAM):
            raise DataError("expected a Unigram tokenizer that marks words with '▁', got one that does not")
        return UNIGRAM
    raise DataError(f"expected a WordPiece, byte-level BPE or Unigram tokenizer, got {type(model).__name__}")


def json_with_scores(backend: tokenizers.Tokenizer, model: Mapping[str, Any]) -> str:
    """Return a Unigram backend's JSON with exactly the scores of its model's JSON.

    The library reads some scores with another last bit, so that a file that is read and written would have another
    hash each time: https://github.com/serde-rs/json/issues/536. This can go when it reads with `float_roundtrip`.
    """
    content = json.loads(backend.to_str())
    content["model"]["vocab"] = [(token, float(score)) for token, score in model["vocab"]]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def hide_special_tokens(backend: tokenizers.Tokenizer, model: Mapping[str, Any]) -> None:
    """Keep a Unigram backend from finding its special tokens in a text by itself, and give it the exact scores.

    They are pieces of its vocabulary with the best score, so that "</s>" would be one piece even where special
    tokens are text. With a space in front they are never met: no space reaches the model.

    Args:
        backend: its model is replaced.
        model: the JSON of that model.
    """
    special = {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
    pieces = [(f" {token}" if token in special else token, float(score)) for token, score in model["vocab"]]
    backend.model = models.Unigram(pieces, model.get("unk_id"), bool(model.get("byte_fallback")))


def _marks_a_space(backend: tokenizers.Tokenizer, family: Family) -> bool:
    text = "a b"
    with one_line_errors("the tokenizer cannot split a text"):
        if backend.normalizer is not None:
            text = backend.normalizer.normalize_str(text)
        if backend.pre_tokenizer is not None:
            text = "".join(piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text))
    return family.word_marks[0] in text
