"""A SentencePiece model file (.spm): its pieces and how it changes a text first, read without running anything.

The file is one message of Protocol Buffers, https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto;
every field is a key, (number << 3) | wire type, and a value whose length the wire type or the file says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerastx.errors import DataError

MAX_BYTES = 64 * 2**20
NORMAL, UNKNOWN, CONTROL = 1, 2, 3
_UNIGRAM = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class SentencePieceModel:
    """What counts of a model of the kind Unigram.

    Attributes:
        scores: of each piece that texts are cut into, a logarithm of its probability.
        charsmap: a table of characters that become others, as `tokenizers.normalizers.Precompiled` takes it; may be
            empty.
        adds_prefix: a blank is put in front of every text.
        drops_blanks: blanks at both ends and all but one between words go.
    """

    scores: dict[str, float]
    charsmap: bytes
    adds_prefix: bool
    drops_blanks: bool


def read_sentencepiece_model(file: Path) -> SentencePieceModel:
    """Read a .spm file.

    Raises:
        DataError: it is missing, no such file, or of a kind that is not known here.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise DataError(f"{file}: expected a SentencePiece model of at most {MAX_BYTES:,} bytes")
        return _model(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, struct.error) as error:
        raise DataError(f"{file}: expected a SentencePiece model: {error}") from error


def _model(content: bytes) -> SentencePieceModel:
    scores: dict[str, float] = {}
    settings: dict[str, dict[int, int | bytes]] = {"trainer": {}, "normalizer": {}}
    for number, value in _fields(content):
        if number == 1:
            piece, score, kind = _piece(_message(value))
            if kind == NORMAL:
                scores[piece] = score
            elif kind not in (UNKNOWN, CONTROL):
                raise ValueError(f"the piece {piece!r} is of the kind {kind}, which is not supported")
        elif number in (2, 3):
            settings["trainer" if number == 2 else "normalizer"] = dict(_fields(_message(value)))
    if (trained := settings["trainer"].get(3, _UNIGRAM)) != _UNIGRAM:
        raise ValueError(f"it is of the kind {trained!r}, expected {_UNIGRAM}, Unigram")
    if not scores:
        raise ValueError("it has no pieces")
    normalizer = settings["normalizer"]
    if not normalizer.get(5, 1):
        raise ValueError("it does not write blanks as '▁'")
    charsmap = _message(normalizer.get(2, b""))
    if charsmap:
        _check_charsmap(charsmap)
    return SentencePieceModel(
        scores,
        charsmap=charsmap,
        adds_prefix=bool(normalizer.get(3, 1)),
        drops_blanks=bool(normalizer.get(4, 1)),
    )


def _check_charsmap(charsmap: bytes) -> None:
    """Raise ValueError for a table that the `tokenizers` library would leave by an offset, which ends in a panic.

    It is the size of a trie in bytes, the trie, and texts with a zero byte behind each. The trie is a double array of
    32 bits a unit (darts-clone): bit 31 marks a value; elsewhere bits 10 to 30 are the offset to the children, times
    256 where bit 9 is set, and bit 8 tells of a value at that offset, which is where a text begins.
    """
    size = int.from_bytes(charsmap[:4], "little")
    if size < 4 or size % 4 or size > len(charsmap) - 4:
        raise ValueError(f"its table of characters has a trie of {size} bytes, expected whole units within the table")
    texts = charsmap[4 + size :]
    texts.decode("utf-8")
    units = np.frombuffer(charsmap, "<u4", size // 4, offset=4)
    nodes = np.flatnonzero(units >> 31 == 0)
    nodes = np.union1d(nodes, [0])  # the root is never looked at for its mark
    found = units[nodes]
    children = nodes ^ ((found >> 10).astype(np.int64) << ((found & 1 << 9) >> 6).astype(np.int64))
    if (children | 255).max() >= len(units):
        raise ValueError("its table of characters has offsets that leave its trie")
    starts = units[children[(found >> 8 & 1) == 1]] & 0x7FFFFFFF
    begins = np.append((np.frombuffer(texts, np.uint8) & 0xC0) != 0x80, True)  # no byte within a character
    if (starts >= len(begins)).any() or not begins[starts].all():
        raise ValueError("its table of characters has values where no text begins")


def _piece(content: bytes) -> tuple[str, float, int]:
    fields = dict(_fields(content))
    (score,) = struct.unpack("<f", _message(fields.get(2, b"\0\0\0\0")))
    kind = fields.get(3, NORMAL)
    if not isinstance(kind, int) or score != score or abs(score) == float("inf"):
        raise ValueError(f"a piece has the kind {kind!r} and the score {score}")
    return _message(fields.get(1, b"")).decode("utf-8"), score, kind


def _message(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("there is a number where bytes should be")
    return value


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message, in order: numbers as int, all else as bytes."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = _varint(content, place)
            yield number, value
            continue
        if wire == _BYTES:
            length, place = _varint(content, place)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"there is no wire type {wire}")
        if length > len(content) - place:
            raise ValueError("it ends within a field")
        yield number, content[place : place + length]
        place += length


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the lowest first, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            raise ValueError("it ends within a number")
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
    raise ValueError("a number has more than ten bytes")
