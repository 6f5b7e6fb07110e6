"""Held text to measure language models on: documents as `prepare` finds them, or the texts of JSONL."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from kerastx.data.columns import shown, shown_names
from kerastx.data.corpus import list_files, read_sentences
from kerastx.data.tables import lines, read_text_file
from kerastx.errors import DataError

TEXT_KEY = "text"


@dataclass(frozen=True, eq=False)
class HeldText:
    """Documents, each as its lines exactly as they stand, with their ends."""

    documents: list[list[str]]

    def __len__(self) -> int:
        return len(self.documents)


def read_held_text(
    path: str | os.PathLike[str], *, documents: str | None = None, text_column: str | None = None
) -> HeldText:
    """Read the documents of a text file, of the .txt and .md files of a folder, or of a .jsonl file.

    They are read as `prepare --exact` reads a corpus, so that a model sees the lines it was trained on. Documents
    without text are left out.

    Args:
        path: UTF-8.
        documents: of text files, where a new document starts, see `read_sentences`; None = after "blank" lines.
        text_column: the key of the texts in JSONL, each of which is a document; None = "text".

    Raises:
        DataError: the file is missing, without text or not UTF-8, or a row has no text.
    """
    file = Path(path)
    if file.suffix.lower() == ".jsonl":
        if documents is not None:
            raise DataError(f"{file}: each row of JSONL is a document: leave --documents out")
        found = _json_texts(file, text_column or TEXT_KEY)
    elif text_column is not None:
        raise DataError(f"{file}: a text file has no columns: leave --text-column out, or give a .jsonl file")
    else:
        found = _documents(file, documents or "blank")
    kept = [one for one in found if any(line.strip() for line in one)]
    if not kept:
        raise DataError(f"{file}: expected text, found none")
    return HeldText(kept)


def _documents(file: Path, documents: str) -> list[list[str]]:
    files = list_files([file])
    for one in files:
        read_text_file(one.path)  # held text is short: its errors come first, and without the options of `prepare`
    found: list[list[str]] = []
    for line, starts_document in read_sentences(files, documents=documents, exact=True):
        if starts_document:
            found.append([])
        found[-1].append(line)
    return found


def _json_texts(file: Path, key: str) -> list[list[str]]:
    found = []
    for number, line in lines(read_text_file(file)):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{file}:{number}: expected a JSON object, got {shown(line)}")
        if key not in row:
            raise DataError(
                f"{file}:{number}: expected the key {key!r}, got {shown_names(row)}; name it with --text-column"
            )
        if not isinstance(row[key], str):
            raise DataError(f"{file}:{number}: expected a string as {key!r}, got {shown(json.dumps(row[key]))}")
        found.append(_lines(row[key]))
    return found


def _lines(text: str) -> list[str]:
    """Return the lines of a text with their ends; only a newline ends a line."""
    *whole, last = text.split("\n")
    return [line + "\n" for line in whole] + [last] * bool(last)
