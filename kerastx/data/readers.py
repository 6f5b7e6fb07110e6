"""Labelled text files -> examples. Every row is checked before anything is trained."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerastx.errors import DataError

TEXT_COLUMNS = ("text", "sentence", "content", "review")
LABEL_COLUMNS = ("label", "labels", "class", "category")

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_SHOWN_CHARACTERS = 40

Column = str | int


class LabelledRow(NamedTuple):
    """One row of a labelled file and the line it starts on."""

    line: int
    text: str = ""
    label: str = ""
    problem: str = ""  # "expected ..., got ..."; the text and label mean nothing then


class _Row(NamedTuple):
    line: int
    fields: list[str]
    problem: str = ""


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Texts, or pairs of texts, with what is to be answered to each.

    Attributes:
        texts: the texts, in the order of the file.
        labels: what the file says of each text: the name of its label.
        label_names: all labels; their order gives the class numbers. Empty for numbers.
        targets: int32, (N,), the index of each label in `label_names`; where any number of labels is right
            ("multi_label") float32, (N, C), 1 for those that are; for numbers ("regression") float32, (N, 1).
        pairs: the second text of each; None for single texts.
        task: "classification", "multi_label" or "regression".
    """

    texts: list[str]
    labels: list[str]
    label_names: tuple[str, ...]
    targets: np.ndarray
    pairs: list[str] | None = None
    task: str = "classification"

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def of(cls, texts: Sequence[str], labels: Sequence[str], label_names: Iterable[str] | None = None) -> LabelledData:
        """Number the labels: in the order of `label_names`, else sorted, by value if all are whole numbers."""
        names = sorted_labels(labels) if label_names is None else tuple(label_names)
        numbers = {name: number for number, name in enumerate(names)}
        unknown = sorted(set(labels) - set(numbers))
        if unknown:
            raise ValueError(f"labels must be among {', '.join(names)}, got {', '.join(unknown)}.")
        return cls(list(texts), list(labels), names, np.array([numbers[label] for label in labels], np.int32))


def sorted_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the different labels in order: by value if all are whole numbers, else by name."""
    different = set(labels)
    if all(_INTEGER.fullmatch(label) for label in different):
        return tuple(sorted(different, key=lambda label: (int(label), label)))
    return tuple(sorted(different))


def read_labelled(
    path: str | os.PathLike[str],
    *,
    text_column: Column | None = None,
    label_column: Column | None = None,
    labels: Iterable[str] | None = None,
) -> LabelledData:
    """Read a .tsv, .csv or .jsonl file of texts and labels.

    Args:
        path: UTF-8. In TSV a quote is a character like any other; in CSV it encloses a field.
        text_column: name of the column (JSONL: key) with the text; found by itself when it is called text, sentence,
            content or review. Two whole numbers as columns, counted from 0, read a file without a header.
        label_column: the same for the label; found as label, labels, class or category.
        labels: the labels that may occur, in class order; otherwise those that do, sorted.

    Raises:
        DataError: the file is missing, empty or lacks a column, or rows are wrong: the first is shown, all are counted.
    """
    file = Path(path)
    allowed = None if labels is None else tuple(labels)
    records = _records(file, text_column, label_column)
    rows = _checked(file, records, lambda record: _problem(record, allowed))
    return LabelledData.of([row.text for row in rows], [row.label for row in rows], allowed)


def read_rows(
    path: str | os.PathLike[str], *, text_column: Column | None = None, label_column: Column | None = None
) -> list[LabelledRow]:
    """Read what `read_labelled` reads, for a report: with line numbers, and rows may lack a text or a label."""
    file = Path(path)
    return _checked(file, _records(file, text_column, label_column), _nul_problem)


def _records(file: Path, text_column: Column | None, label_column: Column | None) -> Iterator[LabelledRow]:
    suffix = file.suffix.lower()
    if suffix not in (".tsv", ".csv", ".jsonl"):
        raise DataError(f"{file}: expected a .tsv, .csv or .jsonl file, got {file.suffix or 'no suffix'}")
    content = _read_text(file)
    if suffix == ".jsonl":
        return _json_records(file, content, text_column, label_column)
    rows = _csv_rows(content) if suffix == ".csv" else _tsv_rows(content)
    return _table_records(file, rows, text_column, label_column)


def _checked(file: Path, records: Iterable[LabelledRow], problem_of: Callable[[LabelledRow], str]) -> list[LabelledRow]:
    rows: list[LabelledRow] = []
    first_problem, num_wrong = "", 0
    for record in records:
        problem = record.problem or problem_of(record)
        if problem:
            first_problem = first_problem or f"{file}:{record.line}: {problem}"
            num_wrong += 1
        rows.append(record)
    if num_wrong:
        more = num_wrong - 1
        raise DataError(first_problem + (f"; and {more:,} more wrong row{'s' * (more > 1)}" if more else ""))
    if not rows:
        raise DataError(f"{file}: the file holds no rows")
    return rows


def _problem(record: LabelledRow, allowed: tuple[str, ...] | None) -> str:
    if not record.text:
        return "expected a text, got an empty one"
    if not record.label:
        return "expected a label, got an empty one"
    if problem := _nul_problem(record):
        return problem
    if allowed is not None and record.label not in allowed:
        return f"expected one of the labels {_shown_names(allowed)}, got {_shown(record.label)}"
    return ""


def _nul_problem(record: LabelledRow) -> str:
    return "expected text, got a NUL character" if "\0" in record.text or "\0" in record.label else ""


def _table_records(
    file: Path, rows: Iterator[_Row], text_column: Column | None, label_column: Column | None
) -> Iterator[LabelledRow]:
    first = next(rows, None)
    if first is None:
        raise DataError(f"{file}: the file is empty")
    if first.problem:
        raise DataError(f"{file}:{first.line}: {first.problem}")
    width = len(first.fields)
    by_number = _as_number(text_column), _as_number(label_column)
    if None not in by_number:
        text_at, label_at = (_checked_number(file, number, width) for number in by_number if number is not None)
        rows = itertools.chain([first], rows)
    else:
        header = [name.strip() for name in first.fields]
        text_at = header.index(_find_column(file, header, text_column, TEXT_COLUMNS, "text"))
        label_at = header.index(_find_column(file, header, label_column, LABEL_COLUMNS, "label"))
    for line, fields, problem in rows:
        if problem or len(fields) != width:
            yield LabelledRow(line, problem=problem or f"expected {width} columns, got {len(fields)}")
        else:
            yield LabelledRow(line, fields[text_at].strip(), fields[label_at].strip())


def _json_records(
    file: Path, content: str, text_column: Column | None, label_column: Column | None
) -> Iterator[LabelledRow]:
    columns: tuple[str, str] | None = None
    for line, text in _lines(content):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield LabelledRow(line, problem=f"expected a JSON object, got {_shown(text)}")
            continue
        if not isinstance(value, dict):
            yield LabelledRow(line, problem=f"expected a JSON object, got {_shown(text)}")
            continue
        if columns is None:
            columns = (
                _find_column(file, list(value), text_column, TEXT_COLUMNS, "text"),
                _find_column(file, list(value), label_column, LABEL_COLUMNS, "label"),
            )
        yield _json_record(line, value, *columns)


def _json_record(line: int, value: dict[str, object], text_key: str, label_key: str) -> LabelledRow:
    for key in (text_key, label_key):
        if key not in value:
            return LabelledRow(line, problem=f"expected the key {key!r}, got {_shown_names(value)}")
    text, label = value[text_key], value[label_key]
    if not isinstance(text, str):
        return LabelledRow(line, problem=f"expected a string as {text_key!r}, got {_shown(json.dumps(text))}")
    if isinstance(label, bool) or not isinstance(label, str | int):
        got = _shown(json.dumps(label))
        return LabelledRow(line, problem=f"expected a string or a whole number as {label_key!r}, got {got}")
    return LabelledRow(line, text.strip(), str(label).strip())


def _find_column(
    file: Path, columns: Sequence[str], wanted: Column | None, candidates: Sequence[str], role: str
) -> str:
    """Return the column that was asked for, or the first of the candidates that is there; case does not matter."""
    names = candidates if wanted is None else [str(wanted)]
    for name in names:
        for column in sorted(columns, key=lambda column: column != name):
            if column.lower() == name.lower():
                return column
    raise DataError(
        f"{file}: expected a column {' or '.join(names)}, got {_shown_names(columns)}; name it with --{role}-column "
        "(a number, counted from 0, for both columns of a file without a header)"
    )


def _as_number(column: Column | None) -> int | None:
    return int(column) if column is not None and re.fullmatch(r"[0-9]{1,6}", str(column)) else None


def _checked_number(file: Path, number: int, width: int) -> int:
    if number >= width:
        raise DataError(f"{file}: expected a column number below {width}, got {number}")
    return number


def _tsv_rows(content: str) -> Iterator[_Row]:
    return (_Row(line, text.split("\t")) for line, text in _lines(content))


def _csv_rows(content: str) -> Iterator[_Row]:
    # The limit of 131,072 characters a field is a global of the csv module.
    limit = csv.field_size_limit(max(len(content), csv.field_size_limit()))
    try:
        reader = csv.reader(io.StringIO(content, newline=""), strict=True)
        line = 1
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _Row(line, [], f"expected quoted CSV fields, got a row that breaks the rules ({error})")
            else:
                if fields:
                    yield _Row(line, fields)
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)


def _lines(content: str) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is not blank; only a newline ends a line."""
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _read_text(file: Path) -> str:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{file}:{line}: expected UTF-8 text, got byte 0x{content[error.start]:02x}") from None


def _shown(value: str) -> str:
    value = value if len(value) <= _SHOWN_CHARACTERS else value[: _SHOWN_CHARACTERS - 3] + "..."
    return repr(value)


def _shown_names(names: Iterable[str]) -> str:
    shown = [_shown(name) for name in names]
    return ", ".join(shown[:8]) + (", ..." if len(shown) > 8 else "") if shown else "none"
