"""JSONL of sources and targets; either may be a list of strings, as sets of summaries are published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastx.data.columns import shown, shown_names
from kerastx.data.tables import lines, read_text_file
from kerastx.errors import DataError


def read_json_pairs(file: Path, source_key: str, target_key: str) -> tuple[list[str], list[list[str]]]:
    """Return the source of each row and its targets, one or more: what is a list there is one good answer each.

    A list of source sentences becomes a text, with a blank between them. Empty strings in lists are left out.

    Raises:
        DataError: the file is missing or holds no rows, or rows are wrong: the first is shown, all are counted.
    """
    sources: list[str] = []
    targets: list[list[str]] = []
    problems: list[str] = []
    for number, line in lines(read_text_file(file)):
        try:
            row = _object(line)
            sources.append(" ".join(_texts(row, source_key)))
            targets.append(_texts(row, target_key))
        except _WrongRowError as problem:
            problems.append(f"{file}:{number}: {problem}")
    if problems:
        more = len(problems) - 1
        raise DataError(problems[0] + (f"; and {more:,} more wrong row{'s' * (more > 1)}" if more else ""))
    if not sources:
        raise DataError(f"{file}: the file holds no rows")
    return sources, targets


class _WrongRowError(Exception):
    """Its text is "expected ..., got ..."."""


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _WrongRowError(f"expected a JSON object, got {shown(line)}")
    return value


def _texts(row: Mapping[str, Any], key: str) -> list[str]:
    if key not in row:
        raise _WrongRowError(f"expected the key {key!r}, got {shown_names(row)}")
    texts = row[key] if isinstance(row[key], list) else [row[key]]
    for text in texts:
        if not isinstance(text, str):
            kind = "only strings in" if isinstance(row[key], list) else "a string or a list of strings as"
            raise _WrongRowError(f"expected {kind} {key!r}, got {shown(json.dumps(text))}")
        if "\0" in text:
            raise _WrongRowError("expected text, got a NUL character")
    kept = [text.strip() for text in texts if text.strip()]
    if not kept:
        raise _WrongRowError(f"expected a text as {key!r}, got {shown(json.dumps(row[key]))}")
    return kept
