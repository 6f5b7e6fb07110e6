"""Text <-> token ids: WordPiece, byte-level BPE and Unigram vocabularies over the `tokenizers` library."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.errors import DataError, MissingExtraError

try:  # all that needs the library imports this module first
    import tokenizers
except ImportError as error:
    raise MissingExtraError("tokenizers", "tokenizers") from error

from kerastx.text.byte_bpe_training import check_byte_vocabulary_size, train_byte_bpe
from kerastx.text.encoding import Encoding, Reading, TextEncoder
from kerastx.text.families import family_of, hide_special_tokens, json_with_scores
from kerastx.text.special_tokens import (
    SPECIAL_TOKENS,
    ensure_template,
    find_special_tokens,
    mark_special_tokens,
    one_line_errors,
    read_template,
)
from kerastx.text.well_formed import well_formed
from kerastx.text.whole_files import read_text, write_text
from kerastx.text.wordpiece_training import train_wordpiece
from kerastx.text.writing_tokens import kept_writing_tokens

__all__ = ["FILE_NAME", "SPECIAL_TOKENS", "Tokenizer"]

FILE_NAME = "tokenizer.json"
KINDS = ("wordpiece", "byte_bpe", "characters")


class Tokenizer(TextEncoder):
    """Strings to token ids and back; immutable and safe to share between threads.

    Special tokens in a text are text: "[MASK]" typed by a user becomes "[", "mask", "]". This differs from
    Hugging Face, where a user can type any special token; `encode_masked` reads the mask token alone.

    Attributes:
        family: "WordPiece", "BPE", "SentencePieceBPE" or "Unigram".
        template: where the special tokens stand in one text and in a pair, and the segment ids.
        pad_id, unknown_id, cls_id, sep_id, mask_id: ids of [PAD] or <pad>, [UNK] or <unk>, [CLS] or <s>, [SEP] or
            </s>, [MASK] or <mask>. Where a model of somebody else writes, tokens of other names have these roles, one
            of them often several; see `kerastx.text.writing_tokens`.
        begin_ids: what a written text begins with where nothing else does; cls_id.
        end_ids: tokens each of which ends a written text, the usual one first; sep_id.
    """

    def __init__(self, backend: tokenizers.Tokenizer, *, model: Mapping[str, Any] | None = None):
        """Take over a `tokenizers.Tokenizer`; its truncation, padding and dropout are switched off.

        The template is the one of the backend's post-processor; a backend that adds no special tokens gets BERT's, but
        not where that post-processor keeps the tokens of a model that writes.

        Args:
            backend: not to be used elsewhere any more.
            model: the JSON of the backend's model, where it was read from one: it has a Unigram's scores exactly.

        Raises:
            DataError: the model is not a WordPiece, byte-level BPE or Unigram, a special token is missing, the ids
                have holes, or the post-processor is not a template.
        """
        family = family_of(backend)
        vocabulary = backend.get_vocab(with_added_tokens=True)
        writing = kept_writing_tokens(backend, vocabulary)
        special = find_special_tokens(backend, vocabulary) if writing is None else writing.roles(vocabulary)
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise DataError(f"the ids of the tokenizer's {len(vocabulary)} tokens are not 0 to {len(vocabulary) - 1}")
        backend.no_truncation()
        backend.no_padding()
        if isinstance(backend.model, tokenizers.models.BPE):
            backend.model.dropout = None  # the same text always has the same ids
        mark_special_tokens(backend, special)
        backend.encode_special_tokens = True
        if backend.decoder is None:
            backend.decoder = family.decoder()
        if writing is None:
            self.template = ensure_template(backend, special, vocabulary)
        else:
            self.template = read_template(backend, vocabulary)
        self._json = backend.to_str()
        if family.name == "Unigram":
            model = json.loads(self._json)["model"] if model is None else model
            with one_line_errors("the vocabulary of the tokenizer is broken"):
                self._json = json_with_scores(backend, model)
                hide_special_tokens(backend, model)
        self.family = family.name
        self._family = family
        self._backend = backend
        self._tokens = tuple(sorted(vocabulary, key=vocabulary.__getitem__))
        self.pad_id, self.unknown_id, self.cls_id, self.sep_id, self.mask_id = (vocabulary[token] for token in special)
        begin, end = ((special.cls,), (special.sep,)) if writing is None else (writing.begin, writing.end)
        self.begin_ids, self.end_ids = (tuple(vocabulary[token] for token in part) for part in (begin, end))

    @classmethod
    def train(
        cls, texts: Iterable[str], *, vocabulary_size: int, kind: str = "wordpiece", lowercase: bool | None = None
    ) -> Tokenizer:
        """Train a vocabulary; the same texts always give the same vocabulary.

        Args:
            texts: read twice, as a stream; an iterator (which can be read once) is held in memory.
            vocabulary_size: with the five special tokens; a small corpus may fill less.
            kind: "wordpiece", BERT's, for models that read. For models that write, which need the text exactly,
                "byte_bpe", GPT-2's, or "characters": a piece for each character, rare ones as their bytes.
            lowercase: lower-case and strip accents, as in uncased BERT; None = for "wordpiece", the only kind that can.
        """
        check_training(kind, vocabulary_size, lowercase)
        if kind == "wordpiece":
            return cls(train_wordpiece(texts, vocabulary_size=vocabulary_size, lowercase=lowercase is not False))
        return cls(train_byte_bpe(texts, vocabulary_size=vocabulary_size, characters=kind == "characters"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Read `tokenizer.json`, given itself or the folder (checkpoint, token store) that holds it."""
        file = Path(path)
        if file.is_dir():
            file = file / FILE_NAME
        text = read_text(file, expected="a tokenizer.json")
        try:
            return cls.from_json(text)
        except DataError as error:
            raise DataError(f"{file}: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """Read what `to_json` wrote, or any `tokenizers` JSON that `__init__` takes; DataError for anything else."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
            raise DataError("expected the JSON of a tokenizer, got something else")
        with one_line_errors("expected the JSON of a tokenizer"):
            backend = tokenizers.Tokenizer.from_str(text)
        return cls(backend, model=content["model"])

    def to_json(self) -> str:
        return self._json

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON to a file, or as `tokenizer.json` into an existing folder."""
        target = Path(path)
        if target.is_dir():
            target = target / FILE_NAME
        write_text(target, self.to_json())

    @property
    def backend(self) -> tokenizers.Tokenizer:
        """What cuts texts; not to be changed."""
        return self._backend

    @property
    def vocabulary_size(self) -> int:
        return len(self._tokens)

    @property
    def special_ids(self) -> tuple[int, ...]:
        """The ids of the padding, unknown, opening, separating and mask token, in this order."""
        return (self.pad_id, self.unknown_id, self.cls_id, self.sep_id, self.mask_id)

    @cached_property
    def lowercase(self) -> bool:
        normalizer = self._backend.normalizer
        return normalizer is not None and "a" in normalizer.normalize_str("A")

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @cached_property
    def word_start(self) -> np.ndarray:
        """Bool, (V,); False for the pieces that continue a word, True for the others and for special tokens.

        WordPiece marks a continuation with "##", byte-level BPE the blank before a word with "Ġ", Unigram the start
        of a word with "▁". Byte-level BPE sees no blank before the first word of a text, unless it adds one
        (`add_prefix_space`): whoever counts words has to let the first token of a text start one.
        """
        added = frozenset(token.content for token in self._backend.get_added_tokens_decoder().values())
        return self._family.word_start(self._tokens, added)

    def encode_masked(self, text: str, *, max_length: int | None = None) -> Encoding:
        """Encode a text in which the mask token's own string, "[MASK]" or "<mask>", stands for the mask id.

        The string is found as Hugging Face's fast tokenizers find it: in exactly this spelling, also inside of a
        word, and with the blanks before it where the token says so ("<mask>" of RoBERTa). All other special tokens
        stay text. `max_length` is that of `encode`.
        """
        room = None if max_length is None else self._room(max_length, is_pair=False)
        (reading,) = _readings(self._mask_backend, [text], room)
        return self._assemble([reading], [len(reading.token_ids)])

    def encode_ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the int32 ids of each text on all cores, without special tokens and without truncation."""
        strings = well_formed(texts)
        with one_line_errors("the tokenizer cannot encode a text"):
            encodings = self._backend.encode_batch_fast(strings, add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def decode(self, ids: Iterable[int]) -> str:
        """Return readable text for token ids; special tokens are left out."""
        return self._backend.decode([int(token_id) for token_id in ids], skip_special_tokens=True)

    def token(self, id: int) -> str:
        """Return the piece behind an id; ValueError for an id outside the vocabulary."""
        if not 0 <= id < len(self._tokens):
            raise ValueError(f"id must be from 0 to {len(self._tokens) - 1}, got {id}.")
        return self._tokens[id]

    @cached_property
    def _mask_backend(self) -> tokenizers.Tokenizer:
        """A copy whose mask token is an ordinary added token, which is looked for in every text."""
        content = json.loads(self.to_json())
        for token in content["added_tokens"]:
            if token["id"] == self.mask_id:
                token["special"] = False
        backend = tokenizers.Tokenizer.from_str(json.dumps(content))
        backend.model = self._backend.model
        backend.encode_special_tokens = True
        return backend

    def _read(self, texts: Sequence[str], limit: int | None) -> list[Reading]:
        return _readings(self._backend, texts, limit)


def check_training(kind: str, vocabulary_size: int, lowercase: bool | None) -> None:
    """ValueError for a vocabulary that `Tokenizer.train` cannot make, whatever the texts."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    if kind == "wordpiece":
        return
    if lowercase:
        raise ValueError(f"a vocabulary of the kind {kind} keeps texts as they are, got {lowercase=}.")
    check_byte_vocabulary_size(vocabulary_size)


def _readings(backend: tokenizers.Tokenizer, texts: Sequence[str], limit: int | None) -> list[Reading]:
    strings = well_formed(texts)
    with one_line_errors("the tokenizer cannot encode a text"):
        encodings = backend.encode_batch(strings, add_special_tokens=False)  # on all cores
    return [
        Reading(
            np.array(encoding.ids[:limit], np.int32),
            np.array(encoding.offsets[:limit], np.int32).reshape(-1, 2),
            len(encoding),
        )
        for encoding in encodings
    ]
