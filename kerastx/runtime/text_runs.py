"""Texts as bytes, run by the graph of a file that takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerastx.runtime.engines import Engine
from kerastx.runtime.results import CUT
from kerastx.text.well_formed import well_formed

# Texts of similar length run together.
ROWS = 16


def run_texts(
    engine: Engine, texts: Sequence[str], pairs: Sequence[str] | None = None, *, budget: int
) -> dict[str, np.ndarray]:
    """Return every output for each text, or pair, (N, ...); of each at most `budget` bytes are read, and CUT says so.

    Args:
        engine: of a file that takes texts.
        texts: at least one.
        pairs: the second text of each.
        budget: of the file.

    Raises:
        ValueError: there are not as many pairs as texts.
    """
    sides = [texts] if pairs is None else [texts, pairs]
    if len({len(side) for side in sides}) > 1:
        raise ValueError(f"pairs must be as many as texts, got {len(sides[1])} and {len(texts)}.")
    whole = [[text.encode() for text in well_formed(side)] for side in sides]
    contents = [[content[:budget].decode("utf-8", "ignore").encode() for content in side] for side in whole]
    order = sorted(range(len(texts)), key=lambda row: max(len(side[row]) for side in contents))
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        inputs = zip(engine.text_inputs, contents, strict=True)
        outputs = engine.run_text({name: byte_rows([side[row] for row in rows]) for name, side in inputs})
        for name, values in outputs.items():
            found.setdefault(name, np.zeros((len(texts), *values.shape[1:]), values.dtype))[rows] = values
    for side in whole:
        found[CUT] |= np.array([[len(content) > budget] for content in side])
    return found


def byte_rows(contents: Sequence[bytes], size: int | None = None) -> np.ndarray:
    """Return uint8 (N, size), zeros behind each text; by default as long as the longest."""
    size = max(map(len, contents)) if size is None else size
    return np.frombuffer(b"".join(one.ljust(size, b"\0") for one in contents), np.uint8).reshape(len(contents), size)
