"""Files of sources and of what is to be written for them: translations, summaries, titles."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kerastx.data.columns import Column, shown_names
from kerastx.data.json_pairs import read_json_pairs
from kerastx.data.readers import column_names, read_labelled
from kerastx.data.tables import read_text_file
from kerastx.errors import DataError

# As data sets are published, source and target.
KNOWN_COLUMNS = (
    ("source", "target"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("dialogue", "summary"),
    ("text", "summary"),
    ("body", "subject"),
    ("content", "title"),
)


@dataclass(frozen=True, eq=False)
class TextPairs:
    """Sources and targets, row by row.

    Attributes:
        sources: what is read.
        targets: what is to be written, and trained on.
        others: further targets of each row, as good as the first, to score with; None = there are none.
    """

    sources: list[str]
    targets: list[str]
    others: list[list[str]] | None = None

    def __post_init__(self):
        if len(self.sources) != len(self.targets):
            raise ValueError(f"expected a target for each source, got {len(self.sources)} and {len(self.targets)}.")
        if self.others is not None and len(self.others) != len(self.targets):
            raise ValueError(f"expected others for each target, got {len(self.others)} for {len(self.targets)}.")

    @property
    def references(self) -> list[list[str]]:
        """All targets of each row, the one of `targets` first."""
        others = self.others or [[] for _ in self.targets]
        return [[target, *more] for target, more in zip(self.targets, others, strict=True)]

    def __len__(self) -> int:
        return len(self.sources)

    def subset(self, rows: Iterable[int]) -> TextPairs:
        """Return the rows with these numbers, in this order."""
        numbers = [int(row) for row in rows]
        others = None if self.others is None else [self.others[row] for row in numbers]
        return TextPairs([self.sources[row] for row in numbers], [self.targets[row] for row in numbers], others)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps([self.sources, self.targets]).encode()).hexdigest()


def read_text_pairs(
    path: str | os.PathLike[str],
    targets: str | os.PathLike[str] | None = None,
    *,
    source_column: Column | None = None,
    target_column: Column | None = None,
) -> TextPairs:
    """Read pairs of a .tsv, .csv or .jsonl file, or of two files whose lines belong together.

    In JSONL a source may be a list of sentences and a target a list of targets that are all right: the first is trained
    on, the best counts.

    Args:
        path: UTF-8; the sources only where there are `targets`. A file of lines may be compressed: .gz.
        targets: a file of as many lines.
        source_column: name of the column, or JSON key, with the sources; both columns are found by themselves when they
            are called source and target, document and summary, or as in `KNOWN_COLUMNS`. Whole numbers for both,
            counted from 0, read a file without a header.
        target_column: the same for the targets.

    Raises:
        DataError: a file is missing, empty or not UTF-8, or lacks a column or a line; or a text is empty.
    """
    if targets is not None:
        if source_column is not None or target_column is not None:
            raise DataError("lines of two files have no columns: leave --source-column and --target-column out")
        return _aligned(Path(path), Path(targets))
    file = Path(path)
    source, target = source_column, target_column
    if file.suffix.lower() == ".jsonl":
        header = column_names(file)
        keys = [_own_name(header, name) for name in _find_columns(file, header, source, target)]
        sources, found = read_json_pairs(file, *keys)
        others = [more for _, *more in found]
        return TextPairs(sources, [first for first, *_ in found], others if any(others) else None)
    if not (_is_number(source) and _is_number(target)):
        source, target = _find_columns(file, column_names(file), source, target)
    rows = read_labelled(file, text_column=source, pair_column=target, task="positives")
    return TextPairs(rows.texts, rows.pairs or [])


def _aligned(file: Path, other: Path) -> TextPairs:
    sources, targets = _lines(file), _lines(other)
    if len(sources) != len(targets):
        raise DataError(
            f"expected files of as many lines, got {len(sources):,} in {file} and {len(targets):,} in {other}"
        )
    kept = [row for row, (source, target) in enumerate(zip(sources, targets, strict=True)) if source or target]
    for number in kept:
        for where, text in ((file, sources[number]), (other, targets[number])):
            if not text:
                raise DataError(
                    f"{where}:{number + 1}: expected a text, got an empty line where the other file has one"
                )
    if not kept:
        raise DataError(f"{file}: the file holds no rows")
    return TextPairs(sources, targets).subset(kept)


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in _content(file).removesuffix("\n").split("\n")]


def _content(file: Path) -> str:
    if file.suffix != ".gz":
        return read_text_file(file)
    try:
        with gzip.open(file, "rt", encoding="utf-8-sig", newline="\n") as stream:
            return stream.read()
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: expected compressed UTF-8 text: {error}") from None


def _find_columns(
    file: Path, header: Sequence[str], source: Column | None, target: Column | None
) -> tuple[Column, Column]:
    """Return the columns that were asked for, and those of a known pair for what was not."""
    lowered = [name.lower() for name in header]
    for wanted, option in ((source, "--source-column"), (target, "--target-column")):
        if wanted is not None and str(wanted).lower() not in lowered:
            raise DataError(f"{file}: expected a column {wanted} for {option}, got {shown_names(header)}")
    if source is not None and target is not None:
        return source, target
    for first, second in KNOWN_COLUMNS:
        names = (str(source or first).lower(), str(target or second).lower())
        if names == (first, second) and {first, second} <= set(lowered):
            return first, second
    raise DataError(
        f"{file}: expected columns such as source and target, got {shown_names(header)}; name them with "
        "--source-column and --target-column (numbers, counted from 0, for a file without a header)"
    )


def _own_name(header: Sequence[str], wanted: Column) -> str:
    """Return the name as the file has it; case does not matter where it does not tell two columns apart."""
    return min((name for name in header if name.lower() == str(wanted).lower()), key=lambda name: name != wanted)


def _is_number(column: Column | None) -> bool:
    return column is not None and str(column).isdecimal()
