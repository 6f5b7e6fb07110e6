"""The part of a token store that one shard becomes: blocks of arrays in one file, with a digest at its end."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

MAGIC = b"kerastx-part-1\n"
TOKENS, LENGTHS, DOCUMENTS, SIGNATURES = b"T", b"L", b"D", b"S"
END = b"E"
SIGNATURE_SIZE = 128

TOKEN_DTYPE = np.dtype("<u4")
LENGTH_DTYPE = np.dtype("<u4")
DOCUMENT_DTYPE = np.dtype(
    [
        ("num_sentences", "<i8"),
        ("num_tokens", "<i8"),
        ("digest", "<u8"),  # equal for equal tokens
        ("in_language", "?"),
        ("has_signature", "?"),
    ]
)
SIGNATURE_DTYPE = np.dtype(("<u2", (SIGNATURE_SIZE,)))
_DTYPES = {TOKENS: TOKEN_DTYPE, LENGTHS: LENGTH_DTYPE, DOCUMENTS: DOCUMENT_DTYPE, SIGNATURES: SIGNATURE_DTYPE}
_HEADER = struct.Struct("<cQ")
_COPY_BYTES = 1 << 20


class PartWriter:
    """Writes a part beside its final name and renames it when it is whole."""

    def __init__(self, path: Path):
        self._path = path
        self._temporary = path.with_suffix(f".{os.getpid()}.tmp")
        self._hash = hashlib.sha256()

    def __enter__(self) -> PartWriter:
        self._stream = self._temporary.open("wb")
        self._write(MAGIC)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._write(_HEADER.pack(END, self._hash.digest_size))
                self._stream.write(self._hash.digest())
            self._stream.close()
            if kind is None:
                self._temporary.replace(self._path)
        finally:
            self._stream.close()
            self._temporary.unlink(missing_ok=True)

    def add(self, kind: bytes, values: np.ndarray) -> None:
        if len(values):
            data = np.ascontiguousarray(values, _DTYPES[kind].base).tobytes()
            self._write(_HEADER.pack(kind, len(data)))
            self._write(data)

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._stream.write(data)


def read_part(path: Path, *kinds: bytes) -> Iterator[tuple[bytes, np.ndarray]]:
    """Yield the blocks of the given kinds in order; the part must be whole, see `is_whole`."""
    with path.open("rb") as stream:
        stream.seek(len(MAGIC))
        while True:
            kind, size_bytes = _HEADER.unpack(stream.read(_HEADER.size))
            if kind == END:
                return
            if kind in kinds:
                yield kind, np.frombuffer(stream.read(size_bytes), _DTYPES[kind])
            else:
                stream.seek(size_bytes, os.SEEK_CUR)


class TokenBlocks:
    """The tokens of a part, to be read from anywhere."""

    def __init__(self, path: Path):
        self._path = path
        places, counts = [], []
        with path.open("rb") as stream:
            stream.seek(len(MAGIC))
            while True:
                kind, size_bytes = _HEADER.unpack(stream.read(_HEADER.size))
                if kind == END:
                    break
                if kind == TOKENS:
                    places.append(stream.tell())
                    counts.append(size_bytes // TOKEN_DTYPE.itemsize)
                stream.seek(size_bytes, os.SEEK_CUR)
        self._places = places
        self._first = np.cumsum([0, *counts])

    def read(self, start: int, count: int) -> np.ndarray:
        """Return tokens start to start + count."""
        found = []
        with self._path.open("rb") as stream:
            number = int(np.searchsorted(self._first, start, "right")) - 1
            while count > 0:
                wanted = min(count, int(self._first[number + 1]) - start)
                stream.seek(self._places[number] + (start - int(self._first[number])) * TOKEN_DTYPE.itemsize)
                found.append(np.frombuffer(stream.read(wanted * TOKEN_DTYPE.itemsize), TOKEN_DTYPE))
                start, count, number = start + wanted, count - wanted, number + 1
        return np.concatenate(found)


def is_whole(path: Path) -> bool:
    """Whether a part is there and is, to the last byte, what was written."""
    digest = hashlib.sha256()
    try:
        left = path.stat().st_size - digest.digest_size
        with path.open("rb") as stream:
            while left > 0 and (data := stream.read(min(left, _COPY_BYTES))):
                digest.update(data)
                left -= len(data)
            # What the digest covers includes the header of the block that holds it.
            return left == 0 and stream.read() == digest.digest()
    except FileNotFoundError:
        return False
