"""The tokenizers of Marian's translators (OPUS-MT), read from two SentencePiece models and a vocabulary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors

from kerastx.errors import DataError
from kerastx.text.huggingface_files import (
    CONFIG_NAME,
    WritingIds,
    named_token,
    read_object,
    replace_parts,
    writing_tokens_of,
)
from kerastx.text.sentencepiece_model import SentencePieceModel, read_sentencepiece_model
from kerastx.text.special_tokens import one_line_errors
from kerastx.text.tokenizer import Tokenizer
from kerastx.text.writing_tokens import with_writing_tokens

SOURCE, TARGET = "source.spm", "target.spm"
# A piece with a blank in front is never met in a text, where blanks are "▁".
_HIDDEN = " "


def read_marian_tokenizers(folder: Path, writing: WritingIds) -> tuple[Tokenizer, Tokenizer]:
    """Return the tokenizers of the source and of the target.

    Each cuts texts as its SentencePiece model does, and its ids are those of `vocab.json`, or of the target those of
    `target_vocab.json` where there is one. A language code in front of a source, ">>fra<<", is one token.

    Two rare things differ from `transformers`: a piece that the vocabulary lacks is cut into smaller ones, not unknown;
    and a character that only the other side's model has is unknown, also where it stands alone.

    Raises:
        DataError: a file is missing or broken; the message starts with its path.
    """
    config = read_object(folder / CONFIG_NAME) if (folder / CONFIG_NAME).exists() else {}
    target_file = folder / "target_vocab.json"
    vocabularies = (folder / "vocab.json", target_file if config.get("separate_vocabs") else folder / "vocab.json")
    found = []
    for name, file in zip((SOURCE, TARGET), vocabularies, strict=True):
        model = read_sentencepiece_model(folder / name)
        vocabulary = _vocabulary(file)
        try:
            found.append(_tokenizer(model, vocabulary, config, writing))
        except DataError as error:
            raise DataError(f"{file}: {error}") from error
    return found[0], found[1]


def _vocabulary(file: Path) -> dict[str, int]:
    vocabulary = read_object(file)
    ids = [number for number in vocabulary.values() if type(number) is int]
    if len(ids) < len(vocabulary) or sorted(ids) != list(range(len(ids))):
        raise DataError(f"{file}: expected a JSON object of tokens with the ids 0 to {len(vocabulary) - 1}")
    return dict(sorted(vocabulary.items(), key=lambda item: item[1]))


def _tokenizer(
    model: SentencePieceModel, vocabulary: Mapping[str, int], config: Mapping[str, Any], writing: WritingIds
) -> Tokenizer:
    unknown = (*named_token(config, "unk_token", vocabulary), "<unk>")[0]
    content: dict[str, Any] = {"model": {"unk_token": unknown}}
    tokens = writing_tokens_of(content, config, writing, vocabulary)
    codes = [token for token in vocabulary if token.startswith(">>") and token.endswith("<<")]
    kept = {*tokens.begin, *tokens.end, tokens.pad, tokens.unknown, *codes}
    pieces = [
        (token, model.scores[token]) if token in model.scores else (token if token in kept else _HIDDEN + token, 0.0)
        for token in vocabulary
    ]
    with one_line_errors("the vocabulary or its SentencePiece model is broken"):
        backend = tokenizers.Tokenizer(models.Unigram(pieces, vocabulary[unknown], False))
        backend.normalizer = _normalizer(model)
        prepend = "always" if model.adds_prefix else "never"
        backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prepend)
        metaspace = decoders.Metaspace(replacement="▁", prepend_scheme=prepend)
        backend.decoder = decoders.Sequence([decoders.Replace(_HIDDEN, ""), metaspace])
        backend.add_tokens([AddedToken(code, normalized=False) for code in codes])
    end, number = tokens.end[0], vocabulary[tokens.end[0]]
    template = processors.TemplateProcessing(single=f"$A {end}", pair=f"$A $B {end}", special_tokens=[(end, number)])
    template = json.loads(template.__getstate__())
    replace_parts(backend, content, {"post_processor": with_writing_tokens(template, tokens, vocabulary)})
    return Tokenizer(backend)


def _normalizer(model: SentencePieceModel) -> normalizers.Normalizer:
    parts: list[normalizers.Normalizer] = [normalizers.Precompiled(model.charsmap)] if model.charsmap else []
    if model.drops_blanks:
        parts += [normalizers.Replace(Regex("^ +| +$"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    return normalizers.Sequence(parts)
