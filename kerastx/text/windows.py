"""Long texts in overlapping windows, so that nothing is cut."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from kerastx.text.encoding import Encoding


class Window(NamedTuple):
    """A part of an encoded text, with its special tokens.

    Attributes:
        encoding: at most max_length tokens.
        rows: the numbers of its tokens in the whole encoding, int (L,).
        owned: range of tokens of the whole encoding that it sees with more around them than any other window.
    """

    encoding: Encoding
    rows: np.ndarray
    owned: tuple[int, int]


def windows(encoding: Encoding, *, max_length: int, overlap: int | None = None) -> list[Window]:
    """Cut the encoding of one text into windows; a short one is its only window.

    Args:
        encoding: of a text alone, not cut.
        max_length: of a window, special tokens included.
        overlap: tokens that a window shares with the next one; by default half of the window.

    Raises:
        ValueError: max_length leaves no room for a token beside the special ones, or the overlap is no part of it.
    """
    is_special = encoding.offsets[:, 0] == encoding.offsets[:, 1]
    body = np.flatnonzero(~is_special)
    if not len(body):
        return [Window(encoding, np.arange(len(encoding)), (0, 0))]
    begin, end = int(body[0]), int(body[-1]) + 1
    room = max_length - begin - (len(encoding) - end)
    overlap = max(0, room // 2) if overlap is None else overlap
    if room < 1 or not 0 <= overlap < room:
        raise ValueError(
            f"expected max_length with room for tokens and a smaller overlap, got {max_length=}, {overlap=}."
        )
    starts = [begin]
    while starts[-1] + room < end:
        starts.append(min(starts[-1] + room - overlap, end - room))
    found = []
    for place, start in enumerate(starts):
        stop = min(start + room, end)
        before = starts[place - 1] + room if place else begin
        after = starts[place + 1] if place + 1 < len(starts) else end
        owned = ((start + before) // 2 if place else begin, (stop + after) // 2 if after != end else end)
        rows = np.r_[0:begin, start:stop, end : len(encoding)]
        found.append(Window(_part(encoding, rows), rows, owned))
    return found


def _part(encoding: Encoding, rows: np.ndarray) -> Encoding:
    arrays = {name: getattr(encoding, name)[rows] for name in ("token_ids", "segment_ids", "offsets")}
    return dataclasses.replace(encoding, **arrays)
