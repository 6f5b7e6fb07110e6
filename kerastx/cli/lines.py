"""Lines that come in, and how many of them make a step; line ends that may not go out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

LINES_AT_ONCE = 256
LINE_ENDS = str.maketrans("\r\n", "  ")

T = TypeVar("T")


def stdin_lines() -> Iterator[str]:
    """Yield the lines of stdin without their ends."""
    if sys.stdin is None:  # closed: `kerastx run ... <&-`
        return
    for raw in sys.stdin.buffer:
        # A byte that is not UTF-8 must not end a stream of thousands of lines; the replacement shows in the output.
        yield raw.decode("utf-8", errors="replace").rstrip("\r\n")


def batches(rows: Iterable[T]) -> Iterator[list[T]]:
    """Group rows, at once when a person types them, in hundreds when a pipe sends them."""
    size = 1 if sys.stdin is not None and sys.stdin.isatty() else LINES_AT_ONCE
    batch: list[T] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
