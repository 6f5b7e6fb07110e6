"""Text <-> token ids: a WordPiece tokenizer over the `tokenizers` library."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from kerastx.errors import DataError

FILE_NAME = "tokenizer.json"
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"
MINIMUM_VOCABULARY_SIZE = 64
# Characters beyond this share of the text would each take one or two of the vocabulary's places.
CHARACTER_COVERAGE = 0.9999

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, eq=False)
class Encoding:
    """One text, or one pair, as token ids with [CLS] and [SEP].

    Attributes:
        token_ids: int32, (L,).
        segment_ids: int32, (L,); 0 for the first text and its [CLS] and [SEP], 1 for the second.
        offsets: int32, (L, 2); character range in the text the token came from; (0, 0) for special tokens.
    """

    token_ids: np.ndarray
    segment_ids: np.ndarray
    offsets: np.ndarray
    _vocabulary: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def tokens(self) -> list[str]:
        return [self._vocabulary[token_id] for token_id in self.token_ids]


class Tokenizer:
    """Strings to token ids and back; immutable and safe to share between threads.

    Special tokens in a text are text: "[MASK]" typed by a user becomes "[", "mask", "]".
    """

    def __init__(self, backend: tokenizers.Tokenizer):
        """Take over a `tokenizers.Tokenizer`; DataError unless it is a WordPiece with the BERT special tokens."""
        if not isinstance(backend.model, models.WordPiece):
            raise DataError(f"expected a WordPiece tokenizer, got {type(backend.model).__name__}")
        if backend.model.continuing_subword_prefix != CONTINUATION:
            raise DataError(
                f"expected the prefix '##' in a WordPiece tokenizer, got {backend.model.continuing_subword_prefix!r}"
            )
        if backend.model.unk_token != "[UNK]":
            raise DataError(f"expected [UNK] as the unknown token, got {backend.model.unk_token!r}")
        vocabulary = backend.get_vocab(with_added_tokens=True)
        missing = [token for token in SPECIAL_TOKENS if token not in vocabulary]
        if missing:
            raise DataError(f"the tokenizer lacks the special tokens {', '.join(missing)}")
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise DataError(f"the ids of the tokenizer's {len(vocabulary)} tokens are not 0 to {len(vocabulary) - 1}")
        backend.no_truncation()
        backend.no_padding()
        backend.add_special_tokens(list(SPECIAL_TOKENS))
        backend.encode_special_tokens = True
        if backend.decoder is None:
            backend.decoder = decoders.WordPiece(prefix=CONTINUATION)
        self._backend = backend
        self._tokens = tuple(sorted(vocabulary, key=vocabulary.__getitem__))
        self.pad_id, self.unknown_id, self.cls_id, self.sep_id, self.mask_id = (
            vocabulary[token] for token in SPECIAL_TOKENS
        )

    @classmethod
    def train(cls, texts: Iterable[str], *, vocabulary_size: int, lowercase: bool = True) -> Tokenizer:
        """Train a WordPiece vocabulary; the same texts always give the same vocabulary.

        Args:
            texts: read twice, as a stream; an iterator (which can be read once) is held in memory.
            vocabulary_size: with the five special tokens; a small corpus may fill less.
            lowercase: lower-case and strip accents, as in uncased BERT.
        """
        if vocabulary_size < MINIMUM_VOCABULARY_SIZE:
            raise ValueError(f"vocabulary_size must be at least {MINIMUM_VOCABULARY_SIZE}, got {vocabulary_size}.")
        if isinstance(texts, Iterator):
            texts = list(texts)
        backend = _untrained(lowercase)
        alphabet, dropped = _alphabet(texts, backend, vocabulary_size)
        if not alphabet:
            raise DataError("there is no text to train a tokenizer on")
        # The trainer numbers the single pieces in the order of a randomly seeded hash map and breaks ties between
        # merges by these numbers. Fixing the numbers of the continuations makes it deterministic.
        continuations = [CONTINUATION + character for character in alphabet if _continues(character, backend)]
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocabulary_size,
            special_tokens=[*SPECIAL_TOKENS, *continuations],
            show_progress=False,
        )
        kept = (text.translate(dropped) for text in texts) if dropped else iter(texts)
        backend.train_from_iterator((_SURROGATE.sub(" ", text) for text in kept), trainer)
        vocabulary = backend.get_vocab()
        backend = _untrained(lowercase)
        backend.model = models.WordPiece(vocabulary, unk_token="[UNK]")
        backend.post_processor = _bert_template(vocabulary)
        backend.decoder = decoders.WordPiece(prefix=CONTINUATION)
        return cls(backend)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Read `tokenizer.json`, given itself or the folder (checkpoint, token store) that holds it."""
        file = Path(path)
        if file.is_dir():
            file = file / FILE_NAME
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DataError(f"{file}: there is no such tokenizer file") from None
        except OSError as error:
            raise DataError(f"{file}: cannot be read: {error.strerror}") from error
        except UnicodeDecodeError:
            raise DataError(f"{file}: expected a tokenizer.json, got a file that is not UTF-8") from None
        try:
            return cls.from_json(text)
        except DataError as error:
            raise DataError(f"{file}: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """Read what `to_json` wrote, or any `tokenizers` JSON of a WordPiece model with BERT's special tokens."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
            raise DataError("expected the JSON of a tokenizer, got something else")
        try:
            backend = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises the bare class
            reason = " ".join(str(error).split())
            raise DataError(f"expected the JSON of a tokenizer: {reason}") from error
        return cls(backend)

    def to_json(self) -> str:
        return self._backend.to_str()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON to a file, or as `tokenizer.json` into an existing folder."""
        target = Path(path)
        if target.is_dir():
            target = target / FILE_NAME
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(self.to_json())
            os.chmod(name, 0o644)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise

    @property
    def vocabulary_size(self) -> int:
        return len(self._tokens)

    @property
    def special_ids(self) -> tuple[int, ...]:
        """The ids of [PAD], [UNK], [CLS], [SEP] and [MASK]."""
        return (self.pad_id, self.unknown_id, self.cls_id, self.sep_id, self.mask_id)

    @cached_property
    def lowercase(self) -> bool:
        normalizer = self._backend.normalizer
        return normalizer is not None and normalizer.normalize_str("A") == "a"

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @cached_property
    def word_start(self) -> np.ndarray:
        """Bool, (V,); False for the pieces that continue a word."""
        return np.array([not token.startswith(CONTINUATION) for token in self._tokens])

    def encode(self, text: str, pair: str | None = None, *, max_length: int | None = None) -> Encoding:
        """Return [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].

        Args:
            text: any string, also an empty one.
            pair: a second string.
            max_length: cut to so many tokens, the longer of two texts first, each from its end.
        """
        return self.encode_batch([text], None if pair is None else [pair], max_length=max_length)[0]

    def encode_batch(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int | None = None
    ) -> list[Encoding]:
        """Encode many texts, or many pairs, on all cores; see `encode`."""
        special = 2 if pairs is None else 3
        if max_length is not None and max_length < special:
            raise ValueError(f"max_length must be at least {special} for the special tokens, got {max_length}.")
        if pairs is not None and len(pairs) != len(texts):
            raise ValueError(f"pairs must be as many as texts, got {len(pairs)} and {len(texts)}.")
        room = None if max_length is None else max_length - special
        firsts = self._encode_plain(texts)
        if pairs is None:
            return [
                self._assemble([first], [len(first.ids) if room is None else min(len(first.ids), room)])
                for first in firsts
            ]
        seconds = self._encode_plain(pairs)
        return [
            self._assemble([first, second], truncated_lengths(len(first.ids), len(second.ids), room))
            for first, second in zip(firsts, seconds, strict=True)
        ]

    def encode_ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the int32 ids of each text on all cores, without special tokens and without truncation."""
        encodings = self._backend.encode_batch_fast(_well_formed(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def pad(
        self, encodings: Sequence[Encoding], *, length: int | None = None, multiple_of: int = 1
    ) -> dict[str, np.ndarray]:
        """Stack encodings into the inputs of a model.

        Args:
            encodings: at least one.
            length: the common length; the longest encoding's otherwise.
            multiple_of: round the length up to a multiple of this.

        Returns:
            token_ids and segment_ids, int32, (B, T); padding_mask, bool, (B, T), True = real token.
        """
        longest = max((len(encoding) for encoding in encodings), default=0)
        if length is not None and longest > length:
            raise ValueError(f"length must be at least that of the longest encoding, {longest}, got {length}.")
        width = longest if length is None else length
        width += -width % multiple_of
        token_ids = np.full((len(encodings), width), self.pad_id, np.int32)
        segment_ids = np.zeros((len(encodings), width), np.int32)
        padding_mask = np.zeros((len(encodings), width), bool)
        for row, encoding in enumerate(encodings):
            token_ids[row, : len(encoding)] = encoding.token_ids
            segment_ids[row, : len(encoding)] = encoding.segment_ids
            padding_mask[row, : len(encoding)] = True
        return {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask}

    def decode(self, ids: Iterable[int]) -> str:
        """Return readable text for token ids; special tokens are left out."""
        return self._backend.decode([int(token_id) for token_id in ids], skip_special_tokens=True)

    def token(self, id: int) -> str:
        """Return the piece behind an id; ValueError for an id outside the vocabulary."""
        if not 0 <= id < len(self._tokens):
            raise ValueError(f"id must be from 0 to {len(self._tokens) - 1}, got {id}.")
        return self._tokens[id]

    def _encode_plain(self, texts: Sequence[str]) -> list[tokenizers.Encoding]:
        return self._backend.encode_batch(_well_formed(texts), add_special_tokens=False)

    def _assemble(self, parts: list[tokenizers.Encoding], lengths: Sequence[int]) -> Encoding:
        token_ids, segment_ids, offsets = [self.cls_id], [0], [(0, 0)]
        for segment, (part, length) in enumerate(zip(parts, lengths, strict=True)):
            token_ids += [*part.ids[:length], self.sep_id]
            segment_ids += [segment] * (length + 1)
            offsets += [*part.offsets[:length], (0, 0)]
        return Encoding(
            np.array(token_ids, np.int32),
            np.array(segment_ids, np.int32),
            np.array(offsets, np.int32),
            self._tokens,
        )


def truncated_lengths(first: int, second: int, room: int | None) -> tuple[int, int]:
    """Return the lengths of two texts after cutting the longer one first, as the `tokenizers` library does."""
    if room is None or first + second <= room:
        return first, second
    shorter = min(first, second)
    if 2 * shorter <= room:
        return (shorter, room - shorter) if first <= second else (room - shorter, shorter)
    half = room // 2
    return (half, room - half) if first <= second else (room - half, half)


def _untrained(lowercase: bool) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return backend


def _bert_template(vocabulary: dict[str, int]) -> processors.PostProcessor:
    return processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )


def _alphabet(
    texts: Iterable[str], backend: tokenizers.Tokenizer, vocabulary_size: int
) -> tuple[list[str], dict[int, str]]:
    """Return the characters worth a place, sorted, and a `str.translate` table that blanks the others."""
    raw: Counter[str] = Counter()
    for text in texts:
        raw.update(text)
    counts: Counter[str] = Counter()
    for character, count in raw.items():
        for piece in _normalized(character, backend):
            counts[piece] += count
    wanted = sum(counts.values()) * CHARACTER_COVERAGE
    room = (vocabulary_size - len(SPECIAL_TOKENS)) * 3 // 4
    kept: set[str] = set()
    covered = 0
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        room -= 1 + _continues(character, backend)
        if room < 0 or covered >= wanted:
            break
        kept.add(character)
        covered += count
    dropped = {ord(character): " " for character in raw if not kept.issuperset(_normalized(character, backend))}
    return sorted(kept), dropped


def _normalized(character: str, backend: tokenizers.Tokenizer) -> str:
    if "\ud800" <= character <= "\udfff":
        return ""
    return "".join(backend.normalizer.normalize_str(character).split())


def _continues(character: str, backend: tokenizers.Tokenizer) -> bool:
    """Whether a character can stand inside a word (a Chinese one or a comma is a word of its own)."""
    words = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(f"a{character}a"))
    return len(words) == 1


def _well_formed(texts: Sequence[str]) -> list[str]:
    """Replace lone surrogates, which no UTF-8 library takes; offsets stay true."""
    if isinstance(texts, str):
        raise TypeError("texts must be a list of strings, got one string.")
    return [text if text.isascii() else _SURROGATE.sub("\ufffd", text) for text in texts]
