"""Short texts that are almost the same, without comparing each with each: MinHash in bands (Broder 1997).

Two texts are alike when the sets of their pieces of five characters overlap by 80 % (Jaccard). Candidates come from
equal bands of a signature, and every match is checked on the sets themselves: what is found is true, and a pair just
above the bound is found with a probability of 98 %.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

ALIKE = 0.8
PIECE = 5  # characters: about a word, and works without spaces too
SHORTEST = 20  # characters; of shorter texts one letter is a fifth of the pieces
BANDS, BAND_ROWS = 8, 4
BUCKET = 8  # texts of a bucket that others are compared with, so that no input makes this quadratic
_BLOCK_CHARACTERS = 1 << 20
_ODD = np.uint64(0x9E3779B97F4A7C15)


def near_matches(texts: Sequence[str], references: Sequence[str] | None = None) -> dict[int, int]:
    """Return for texts that have one a reference that is alike; without references, an earlier text.

    Args:
        texts: normalised, all different; those shorter than 20 characters have no match.
        references: the same.

    Returns:
        Index of the text -> index of the reference or of the earlier text.
    """
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    known = texts if references is None else references
    if references is not None:
        for row, keys in _keys(references):
            _add(buckets, keys, row)
    found: dict[int, int] = {}
    for row, keys in _keys(texts):
        candidates = sorted({other for key in keys for other in buckets.get(key, ())})
        pieces = _pieces(texts[row]) if candidates else frozenset()
        alike = (other for other in candidates if _similarity(pieces, _pieces(known[other])) >= ALIKE)
        if (match := next(alike, None)) is not None:
            found[row] = match
        if references is None:
            _add(buckets, keys, row)
    return found


def _add(buckets: dict[tuple[int, int], list[int]], keys: list[tuple[int, int]], row: int) -> None:
    for key in keys:
        if len(buckets[key]) < BUCKET:
            buckets[key].append(row)


def _pieces(text: str) -> frozenset[str]:
    return frozenset(text[start : start + PIECE] for start in range(len(text) - PIECE + 1))


def _similarity(one: frozenset[str], other: frozenset[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def _keys(texts: Sequence[str]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield index and (band, value) keys of each text that is long enough."""
    rows: list[int] = []
    size = 0
    for row, text in enumerate(texts):
        if len(text) < SHORTEST:
            continue
        rows.append(row)
        size += len(text)
        if size >= _BLOCK_CHARACTERS:
            yield from _block_keys(texts, rows)
            rows, size = [], 0
    if rows:
        yield from _block_keys(texts, rows)


def _block_keys(texts: Sequence[str], rows: list[int]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    bands = _bands([texts[row] for row in rows])
    for row, values in zip(rows, bands.tolist(), strict=True):
        yield row, list(enumerate(values))


def _bands(texts: Sequence[str]) -> np.ndarray:
    """Return uint64, (N, BANDS): equal values for texts whose pieces have the same minima."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    lengths = np.array([len(text) for text in texts])
    ends = np.repeat(np.cumsum(lengths), lengths)
    inside = np.flatnonzero(np.arange(len(codes)) + PIECE <= ends)
    pieces = np.zeros(len(inside), np.uint64)
    for offset in range(PIECE):
        pieces = _mixed(pieces + codes[inside + offset])
    counts = lengths - PIECE + 1
    starts = np.cumsum(counts) - counts
    result = np.zeros((len(texts), BANDS), np.uint64)
    for number in range(BANDS * BAND_ROWS):
        minima = np.minimum.reduceat(_mixed(pieces + np.uint64(number + 1)), starts)
        band = number // BAND_ROWS
        result[:, band] = _mixed(result[:, band] + minima)
    return result


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return a hash of each number; the finalizer of splitmix64 with one multiplication less."""
    values = (values ^ (values >> np.uint64(30))) * _ODD
    return values ^ (values >> np.uint64(27))
