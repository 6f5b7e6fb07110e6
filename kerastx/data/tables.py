"""TSV, CSV and JSONL files -> their rows, before anybody knows what a column means."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kerastx.errors import DataError

FORMATS = {".tsv": "tsv", ".txt": "tsv", ".csv": "csv", ".jsonl": "jsonl"}


class Row(NamedTuple):
    """The fields of one row and the line it starts on."""

    line: int
    fields: list[str]
    problem: str = ""  # "expected ..., got ..."; there are no fields then


def read_table(file: Path) -> tuple[str, str]:
    """Return the format, "tsv", "csv" or "jsonl", and the content of a file.

    A .txt file is TSV, and so is a .csv file whose first line is separated by tabs, as STS-B is published.

    Raises:
        DataError: the suffix is another one, or the file is missing or not UTF-8.
    """
    suffix = file.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(f"{file}: expected a .tsv, .csv, .txt or .jsonl file, got {file.suffix or 'no suffix'}")
    content = read_text_file(file)
    if suffix == ".csv" and _has_tabs(content):
        return "tsv", content
    return FORMATS[suffix], content


def tsv_rows(content: str) -> Iterator[Row]:
    """Yield the rows of TSV; a quote is a character like any other."""
    return (Row(line, text.split("\t")) for line, text in lines(content))


def csv_rows(content: str) -> Iterator[Row]:
    """Yield the rows of CSV; quotes enclose a field."""
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
                yield Row(line, [], f"expected quoted CSV fields, got a row that breaks the rules ({error})")
            else:
                if fields:
                    yield Row(line, fields)
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)


def lines(content: str) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is not blank; only a newline ends a line."""
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _has_tabs(content: str) -> bool:
    """Whether tabs and not commas separate the first line; the texts of a row may hold some commas."""
    _, first = next(lines(content), (1, ""))
    tab, comma = first.find("\t"), first.find(",")
    if tab < 0 or first.startswith('"'):
        return False
    return comma < 0 or (tab < comma and first.count("\t") > first.count(","))


def read_text_file(file: Path) -> str:
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
