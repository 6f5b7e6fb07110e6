"""Rows set aside to score on, the same ones in every run and on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from kerastx.data.labelled import LabelledData


def hold_out(data: LabelledData, share: float, *, salt: str = "") -> tuple[LabelledData, LabelledData]:
    """Return (rest, held), each in the order of `data`: held are the rows whose text has the lowest SHA-1.

    Neither the order of the rows nor what else is in the file moves a text, and rows of the same text (and pair) stay
    together, so that the number of rows held is only as near to `share` as their groups allow. Both sides have rows.
    Of "positives" all rows that are tied together by texts they share stay together: their hash is the lowest.

    Args:
        data: texts, or pairs: the hash is of the text, or of text, tab and second text, in UTF-8.
        share: of the rows to hold, between 0 and 1.
        salt: put before every text; another one holds other rows.

    Raises:
        ValueError: the share is not between 0 and 1, or there are no two different texts.
    """
    texts = data.texts if data.pairs is None else ["\t".join(row) for row in zip(data.texts, data.pairs, strict=True)]
    held = held_rows(texts, share, salt=salt, groups=data.targets if data.task == "positives" else None)
    return data.subset(np.flatnonzero(~held)), data.subset(np.flatnonzero(held))


def held_rows(texts: Sequence[str], share: float, *, salt: str = "", groups: np.ndarray | None = None) -> np.ndarray:
    """Return which rows `hold_out` holds, bool (N,); with groups, int (N,), the rows of each stay together."""
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share}.")
    hashes = [hashlib.sha1((salt + text).encode(errors="surrogatepass")).hexdigest() for text in texts]
    if groups is not None:
        hashes = _lowest_of_group(hashes, groups)
    different, counts = np.unique(np.array(hashes), return_counts=True)
    if len(different) < 2:
        raise ValueError("expected at least two different texts to hold one of them out.")
    up_to = np.cumsum(counts)[:-1]  # rows held when the held groups are the first 1, 2, ..., all but one
    first_kept = different[np.abs(up_to - share * len(texts)).argmin() + 1]
    return np.array([digest < first_kept for digest in hashes])


def _lowest_of_group(hashes: list[str], groups: np.ndarray) -> list[str]:
    lowest: dict[int, str] = {}
    for digest, group in zip(hashes, groups.tolist(), strict=True):
        lowest[group] = min(digest, lowest.get(group, digest))
    return [lowest[group] for group in groups.tolist()]
