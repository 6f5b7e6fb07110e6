"""Texts as token ids, whatever cuts them: the `tokenizers` library, or the graph of an exported file."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kerastx.text.template import Template


@dataclass(frozen=True, eq=False)
class Encoding:
    """One text, or one pair, as token ids with the special tokens of the tokenizer's template.

    Attributes:
        token_ids: int32, (L,).
        segment_ids: int32, (L,), as the template says: BERT's has 0 for the first text and its [CLS] and [SEP] and
            1 for the second, RoBERTa's has 0 everywhere.
        offsets: int32, (L, 2); character range in the text the token came from; (0, 0) for the template's tokens.
    """

    token_ids: np.ndarray
    segment_ids: np.ndarray
    offsets: np.ndarray
    _encoder: TextEncoder = field(repr=False)

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def tokens(self) -> list[str]:
        return [self._encoder.token(int(token_id)) for token_id in self.token_ids]


class Reading(NamedTuple):
    """The first tokens of a text, without special ones.

    Attributes:
        token_ids: int32, (L,).
        offsets: int32, (L, 2), characters.
        length: how many tokens the text has in all; at least L + 1 where nobody looked.
    """

    token_ids: np.ndarray
    offsets: np.ndarray
    length: int


class TextEncoder(abc.ABC):
    """Strings to token ids; immutable and safe to share between threads.

    Attributes:
        template: where the special tokens stand in one text and in a pair, and the segment ids.
        pad_id, sep_id: ids of [PAD] or <pad>, and of [SEP] or </s>.
    """

    template: Template
    pad_id: int
    sep_id: int

    @abc.abstractmethod
    def token(self, id: int) -> str:
        """Return the piece behind an id; ValueError for an id outside the vocabulary."""

    @abc.abstractmethod
    def _read(self, texts: Sequence[str], limit: int | None) -> list[Reading]:
        """Return at least the first `limit` tokens of each text, all of them without a limit."""

    def _read_pairs(self, texts: Sequence[str], pairs: Sequence[str], limit: int | None) -> list[tuple[Reading, ...]]:
        """Return the tokens of each pair that may be among the first `limit` of both together."""
        return list(zip(self._read(texts, limit), self._read(pairs, limit), strict=True))

    def encode(self, text: str, pair: str | None = None, *, max_length: int | None = None) -> Encoding:
        """Return a text, or a pair of texts, with special tokens: [CLS] text [SEP] pair [SEP] in BERT's template.

        Args:
            text: any string, also an empty one.
            pair: a second string.
            max_length: cut to so many tokens, special ones included, the longer of two texts first, each from its
                end; ValueError where the special tokens alone are more.
        """
        return self.encode_batch([text], None if pair is None else [pair], max_length=max_length)[0]

    def encode_batch(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int | None = None
    ) -> list[Encoding]:
        """Encode many texts, or many pairs; see `encode`."""
        room = None if max_length is None else self._room(max_length, is_pair=pairs is not None)
        if pairs is not None and len(pairs) != len(texts):
            raise ValueError(f"pairs must be as many as texts, got {len(pairs)} and {len(texts)}.")
        if pairs is None:
            return [
                self._assemble([one], [one.length if room is None else min(one.length, room)])
                for one in self._read(texts, room)
            ]
        return [
            self._assemble(both, truncated_lengths(both[0].length, both[1].length, room))
            for both in self._read_pairs(texts, pairs, room)
        ]

    def _room(self, max_length: int, *, is_pair: bool) -> int:
        special = self.template.num_special(is_pair=is_pair)
        if max_length < special:
            raise ValueError(f"max_length must be at least {special} for the special tokens, got {max_length}.")
        return max_length - special

    def _assemble(self, parts: Sequence[Reading], lengths: Sequence[int]) -> Encoding:
        token_ids: list[np.ndarray] = []
        segment_ids: list[int] = []
        offsets: list[np.ndarray] = []
        for text, token_id, segment_id in self.template.slots(is_pair=len(parts) == 2):
            length = 1 if text is None else lengths[text]
            token_ids.append(np.array([token_id], np.int32) if text is None else parts[text].token_ids[:length])
            offsets.append(_NOWHERE if text is None else parts[text].offsets[:length])
            segment_ids += [segment_id] * length
        return Encoding(np.concatenate(token_ids), np.array(segment_ids, np.int32), np.concatenate(offsets), self)

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


_NOWHERE = np.zeros((1, 2), np.int32)


def truncated_lengths(first: int, second: int, room: int | None) -> tuple[int, int]:
    """Return the lengths of two texts after cutting the longer one first, as the `tokenizers` library does."""
    if room is None or first + second <= room:
        return first, second
    shorter = min(first, second)
    if 2 * shorter <= room:
        return (shorter, room - shorter) if first <= second else (room - shorter, shorter)
    half = room // 2
    return (half, room - half) if first <= second else (room - half, half)
