"""Labelled text files -> examples. Every row is checked before anything is trained."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kerastx.data.columns import Column, Columns, shown, shown_names
from kerastx.data.labelled import LARGEST, TASKS, LabelledData
from kerastx.data.tables import Row, csv_rows, lines, read_table, tsv_rows
from kerastx.errors import DataError

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


class LabelledRow(NamedTuple):
    """One row of a labelled file and the line it starts on."""

    line: int
    text: str = ""
    label: str = ""
    problem: str = ""  # "expected ..., got ..."; the rest means nothing then
    pair: str | None = None
    names: tuple[str, ...] = ()  # the labels of a row that may have any number of them
    negative: str | None = None


def read_labelled(
    path: str | os.PathLike[str],
    *,
    text_column: Column | None = None,
    pair_column: Column | None = None,
    label_column: Column | None = None,
    negative_column: Column | None = None,
    labels: Iterable[str] | None = None,
    pairs: bool = False,
    task: str = "classification",
) -> LabelledData:
    """Read a .tsv, .txt, .csv or .jsonl file of texts, or pairs of texts, and what is to be answered to each.

    Args:
        path: UTF-8. In TSV a quote is a character like any other; in CSV it encloses a field. A .txt file is TSV, and
            so is a .csv file whose first line is separated by tabs.
        text_column: name of the column (JSONL: key) with the text; found by itself when it is called text, sentence,
            content or review. Whole numbers for all columns, counted from 0, read a file without a header; a row of
            TSV may then have further columns.
        pair_column: the same for the second text; the two are found as sentence1 and sentence2, premise and
            hypothesis, and whatever else is in `kerastx.data.columns.PAIR_COLUMNS`.
        label_column: the same for the label; found as label, class, category, quality, gold_label, score, ...
        negative_column: the same for a third text of "positives"; found as negative.
        labels: the labels that may occur, in class order; otherwise those that do, sorted.
        pairs: whether a row has two texts; it has, too, when `pair_column` is given.
        task: "classification": one label a row. "multi_label": any number, separated by commas or |, in JSONL also as
            a list of strings. "regression": a finite number. "positives": none; two texts belong together, and a third
            does not. They are found as anchor and positive, query and answer, and under all names of pairs.

    Raises:
        DataError: the file is missing, empty or lacks a column, or rows are wrong: the first is shown, all are counted.
    """
    _check_task(task)
    file = Path(path)
    allowed = None if labels is None else tuple(labels)
    if task in ("regression", "positives") and allowed:
        raise ValueError(f"{task} has no labels, got {labels=}.")
    columns = Columns(
        text=text_column,
        pair=pair_column,
        label=label_column,
        pairs=pairs or task == "positives",
        task=task,
        negative=negative_column,
    )
    rows = _checked(file, _records(file, columns), lambda row: _problem(row, task, allowed))
    texts = [row.text for row in rows]
    seconds = None if rows[0].pair is None else [row.pair or "" for row in rows]
    if task == "positives":
        negatives = None if rows[0].negative is None else [row.negative or "" for row in rows]
        return LabelledData.of_positives(texts, seconds or [], negatives=negatives)
    if task == "regression":
        return LabelledData.of_numbers(texts, [float(row.label) for row in rows], pairs=seconds)
    if task == "multi_label":
        if allowed is None and not any(row.names for row in rows):
            raise DataError(f"{file}: expected a label in some row, got none in any; name the column: --label-column")
        return LabelledData.of_sets(texts, [row.names for row in rows], allowed, pairs=seconds)
    return LabelledData.of(texts, [row.label for row in rows], allowed, pairs=seconds)


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Return what stands in the first line: the header, or the keys of the first JSON object; [] where it is wrong."""
    kind, content = read_table(Path(path))
    if kind == "jsonl":
        _, first = next(lines(content), (1, ""))
        try:
            value = json.loads(first)
        except (ValueError, RecursionError):
            return []
        return list(value) if isinstance(value, dict) else []
    row = next(csv_rows(content) if kind == "csv" else tsv_rows(content), None)
    return [] if row is None else [name.strip() for name in row.fields]


def read_rows(
    path: str | os.PathLike[str],
    *,
    text_column: Column | None = None,
    pair_column: Column | None = None,
    label_column: Column | None = None,
    pairs: bool = False,
    task: str = "classification",
) -> list[LabelledRow]:
    """Read what `read_labelled` reads, for a report: with line numbers, and rows may lack a text or a label."""
    _check_task(task)
    file = Path(path)
    columns = Columns(
        text=text_column, pair=pair_column, label=label_column, pairs=pairs or task == "positives", task=task
    )
    return _checked(file, _records(file, columns), _nul_problem)


def _check_task(task: str) -> None:
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}.")


def _records(file: Path, columns: Columns) -> Iterator[LabelledRow]:
    kind, content = read_table(file)
    if kind == "jsonl":
        return _json_records(file, content, columns)
    if kind == "csv":
        return _table_records(file, csv_rows(content), columns, may_be_wider=False)
    # Published TSV without a header has rows with a further column here and there; in CSV a wider row is a text
    # whose comma was not quoted, which would be cut in two.
    return _table_records(file, tsv_rows(content), columns, may_be_wider=columns.numbers() is not None)


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


def _problem(row: LabelledRow, task: str, allowed: tuple[str, ...] | None) -> str:
    if not row.text:
        return "expected a text, got an empty one"
    if row.pair == "":
        return "expected a second text, got an empty one"
    if row.negative == "":
        return "expected a third text, got an empty one"
    if not row.label and task not in ("multi_label", "positives"):
        return f"expected a {'number' if task == 'regression' else 'label'}, got an empty one"
    if problem := _nul_problem(row):
        return problem
    if task == "regression" and not _is_number(row.label):
        return f"expected a number, got {shown(row.label)}"
    if allowed is None or task == "regression":
        return ""
    unknown = [name for name in (row.names if task == "multi_label" else [row.label]) if name not in allowed]
    return f"expected one of the labels {shown_names(allowed)}, got {shown(unknown[0])}" if unknown else ""


def _nul_problem(row: LabelledRow) -> str:
    whole = row.text + (row.pair or "") + (row.negative or "") + row.label
    return "expected text, got a NUL character" if "\0" in whole else ""


def _is_number(label: str) -> bool:
    return bool(_NUMBER.fullmatch(label)) and abs(float(label)) <= LARGEST


def _table_records(file: Path, rows: Iterator[Row], columns: Columns, *, may_be_wider: bool) -> Iterator[LabelledRow]:
    first = next(rows, None)
    if first is None:
        raise DataError(f"{file}: the file is empty")
    if first.problem:
        raise DataError(f"{file}:{first.line}: {first.problem}")
    width = len(first.fields)
    numbers = columns.numbers()
    if numbers is not None:
        for number in numbers:
            if number >= width:
                raise DataError(f"{file}: expected a column number below {width}, got {number}")
        rows = itertools.chain([first], rows)
    else:
        header = [name.strip() for name in first.fields]
        numbers = [header.index(name) for name in columns.find(file, header)]
    least = max(numbers) + 1 if may_be_wider else width
    for line, fields, problem in rows:
        if problem or len(fields) < least or (len(fields) > width and not may_be_wider):
            expected = f"at least {least}" if may_be_wider else width
            yield LabelledRow(line, problem=problem or f"expected {expected} columns, got {len(fields)}")
        else:
            yield _row(line, [fields[number].strip() for number in numbers], columns.task)


def _json_records(file: Path, content: str, columns: Columns) -> Iterator[LabelledRow]:
    keys: list[str] | None = None
    for line, text in lines(content):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            yield LabelledRow(line, problem=f"expected a JSON object, got {shown(text)}")
            continue
        if keys is None:
            keys = columns.find(file, list(value))
        problem = _json_problem(value, keys, columns.task)
        if problem:
            yield LabelledRow(line, problem=problem)
            continue
        found = [value[key] for key in keys]
        yield _row(line, [one.strip() if isinstance(one, str) else one for one in found], columns.task)


def _json_problem(value: dict[str, object], keys: list[str], task: str) -> str:
    for key in keys:
        if key not in value:
            return f"expected the key {key!r}, got {shown_names(value)}"
    *texts, label = keys if task != "positives" else [*keys, ""]
    for key in texts:
        if not isinstance(value[key], str):
            return f"expected a string as {key!r}, got {_shown_json(value[key])}"
    if task == "positives":
        return ""
    found = value[label]
    if task == "multi_label" and isinstance(found, list):
        wrong = [one for one in found if not isinstance(one, str) or not one.strip()]
        return f"expected only strings in {label!r}, got {_shown_json(wrong[0])}" if wrong else ""
    if isinstance(found, bool) or not isinstance(found, str | int | float if task == "regression" else str | int):
        kind = {"multi_label": "a string or a list of strings", "regression": "a number"}
        return f"expected {kind.get(task, 'a string or a whole number')} as {label!r}, got {_shown_json(found)}"
    return ""


def _shown_json(value: object) -> str:
    return shown(json.dumps(value))


def _row(line: int, values: Sequence[Any], task: str) -> LabelledRow:
    """Return the row of the values of its columns, as `Columns.find` orders them."""
    if task == "positives":
        return LabelledRow(line, values[0], pair=values[1], negative=values[2] if len(values) > 2 else None)
    *texts, label = values
    text, pair = texts[0], texts[1] if len(texts) > 1 else None
    if task != "multi_label":
        return LabelledRow(line, text, str(label).strip(), pair=pair)
    parts = label if isinstance(label, list) else re.split(r"[,|]", str(label))
    names = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    return LabelledRow(line, text, "|".join(names), pair=pair, names=names)
