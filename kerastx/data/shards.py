"""A corpus cut into shards at document boundaries, and an even sample of it.

The cuts depend on the files and the document mode only, never on how many processes will work on them.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kerastx.data.corpus import CorpusFile, Segment, heading_of
from kerastx.errors import DataError

SHARD_BYTES = 8 << 20  # some seconds of work: little is lost with a killed one
WINDOW_BYTES = 1 << 18  # of one stretch of a sample
SAMPLE_SEED = 0
_BLOCK_BYTES = 1 << 16
_LONGEST_MARK = 512  # bytes of a blank line or heading that is recognised as a boundary

# A line feed byte ends a line whatever stands around it, so these are boundaries to the reader too.
_BLANK_LINE = re.compile(rb"\n[ \t]{0,64}\r?\n")
_HEADING_LINE = re.compile(rb"\n([ \t]{0,64}[#=][^\r\n]{1,400})(?=\r?\n)")

Shard = tuple[Segment, ...]


def plan_shards(files: Sequence[CorpusFile], documents: str) -> list[Shard]:
    """Return the corpus in shards of about SHARD_BYTES; no document stands in two of them.

    A document that is longer makes its shard longer; with documents "file" that is the file.
    """
    shards: list[Shard] = []
    open_shard: list[Segment] = []
    open_bytes = 0
    for segment in (segment for file in files for segment in _segments(file, documents)):
        size = segment.end - segment.start
        if open_shard and open_bytes + size > SHARD_BYTES:
            shards.append(tuple(open_shard))
            open_shard, open_bytes = [], 0
        open_shard.append(segment)
        open_bytes += size
    return [*shards, tuple(open_shard)] if open_shard else shards


def sample_segments(files: Sequence[CorpusFile], size_bytes: int) -> list[Segment]:
    """Return about `size_bytes` of a corpus in windows spread evenly over it; all of it where it is no larger.

    The corpus is divided into equal strides, and each gives one window, at an offset drawn with a fixed seed.
    """
    ends = np.cumsum([file.size_bytes for file in files])
    total = int(ends[-1])
    if total <= size_bytes:
        return [Segment(file.path, 0, file.size_bytes) for file in files]
    count = math.ceil(size_bytes / WINDOW_BYTES)
    window = size_bytes // count
    draw = random.Random(SAMPLE_SEED)  # Python promises that its draws stay the same
    segments: list[Segment] = []
    for number in range(count):
        low, high = number * total // count, (number + 1) * total // count
        start = low + int(draw.random() * max(high - low - window, 0))
        first, last = np.searchsorted(ends, [start, start + window - 1], side="right")
        for file, end in zip(files[first : last + 1], ends[first : last + 1].tolist(), strict=True):
            before = end - file.size_bytes
            begin, stop = max(start - before, 0), min(start + window - before, file.size_bytes)
            segments.append(Segment(file.path, _line_start(file, begin), _line_start(file, stop)))
    return [segment for segment in segments if segment.end > segment.start]


def _segments(file: CorpusFile, documents: str) -> Iterator[Segment]:
    start = 0
    while documents != "file" and file.size_bytes - start > SHARD_BYTES:
        cut = _boundary(file.path, start + SHARD_BYTES // 2, documents)
        if cut is None:
            break
        yield Segment(file.path, start, cut)
        start = cut
    if file.size_bytes > start:
        yield Segment(file.path, start, file.size_bytes)


def _boundary(path: Path, position: int, documents: str) -> int | None:
    """Return the offset of the first document boundary after `position`; None where no other follows."""
    pattern = _BLANK_LINE if documents == "blank" else _HEADING_LINE
    for offset, data in _overlapping_blocks(path, position):
        for match in pattern.finditer(data):
            if documents == "blank":
                return offset + match.end()
            if _starts_document(match[1]):
                return offset + match.start(1)
    return None


def _starts_document(line: bytes) -> bool:
    try:
        heading = heading_of(line.decode().strip())
    except UnicodeDecodeError:
        return False
    return heading is not None and heading[1]


def _overlapping_blocks(path: Path, position: int) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as stream:
            stream.seek(position)
            kept = b""
            while block := stream.read(_BLOCK_BYTES):
                data = kept + block
                yield position, data
                kept = data[-_LONGEST_MARK:]
                position += len(data) - len(kept)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _line_start(file: CorpusFile, position: int) -> int:
    """Return the next offset at which a line starts, or at least a character where the line is very long."""
    if position in (0, file.size_bytes):
        return position
    try:
        with file.path.open("rb") as stream:
            stream.seek(position)
            block = stream.read(_BLOCK_BYTES)
    except OSError as error:
        raise DataError(f"{file.path}: cannot be read: {error.strerror}") from error
    if found := block.find(b"\n") + 1:
        return position + found
    inside = next((number for number, byte in enumerate(block[:4]) if byte & 0xC0 != 0x80), 0)
    return position + inside
