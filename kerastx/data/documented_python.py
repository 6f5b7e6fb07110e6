"""Documented functions of the standard library: pairs of texts to summarize or to program, on every machine.

A summary is the first paragraph of a docstring, its source the rest of it. A program is the body of a function, its
source the signature and the first paragraph of its docstring. No claim about quality is ever made from them.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kerastx.data.python_docs import (
    DEV_PERCENT,
    docstrings,
    hash_percent,
    library_files,
    library_root,
    write_file,
)
from kerastx.data.similar_texts import near_matches

FEWEST_SOURCE_WORDS, FEWEST_SUMMARY_WORDS = 12, 3
MOST_BODY_CHARACTERS = 500

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Example(NamedTuple):
    """A source and its target, and the file or module they are from: a part of the split has it as a whole."""

    origin: str
    source: str
    target: str

    @property
    def is_dev(self) -> bool:
        return hash_percent(self.origin) < DEV_PERCENT


def write_summaries(folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write train.jsonl and dev.jsonl, the rest of a docstring and its first paragraph, and return both files.

    The rows, of a source and a target, are ordered by hash. Those of a module are all in one of the files, and no text
    is almost the same as another one, in either of them.

    Raises:
        DataError: this Python comes without the source files of its library, or the folder cannot be written.
    """
    return _write(Path(folder), list(_summaries()))


def write_programs(folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write train.jsonl and dev.jsonl, what a function is to do and its body, and return both files.

    Signature and docstring are one source; bodies of up to `MOST_BODY_CHARACTERS` characters are as `ast.unparse`
    writes them, without comments. Order and split are those of `write_summaries`.

    Raises:
        DataError: this Python comes without the source files of its library, or the folder cannot be written.
    """
    return _write(Path(folder), list(_programs()))


def _summaries() -> Iterator[Example]:
    for docstring in docstrings():
        first, _, rest = docstring.text.partition("\n\n")
        summary, source = " ".join(first.split()), " ".join(rest.split())
        enough = len(source.split()) >= FEWEST_SOURCE_WORDS and len(summary.split()) >= FEWEST_SUMMARY_WORDS
        if enough and (summary + source).isprintable():
            yield Example(docstring.module, source, summary)


def _programs() -> Iterator[Example]:
    for file in library_files():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # invalid escapes in code that is not ours
                tree = ast.parse((library_root() / file).read_bytes())
        except (SyntaxError, ValueError):  # templates and files for other interpreters
            continue
        for node in ast.walk(tree):
            if isinstance(node, _FUNCTIONS) and (example := _program(node, file.as_posix())):
                yield example


def _program(function: ast.FunctionDef | ast.AsyncFunctionDef, file: str) -> Example | None:
    summary = " ".join((ast.get_docstring(function) or "").partition("\n\n")[0].split())
    body = "\n".join(ast.unparse(statement) for statement in function.body[1:])
    if not summary or not body or len(body) > MOST_BODY_CHARACTERS or _does_nothing(function.body[1:]):
        return None
    head = copy.copy(function)
    head.body, head.decorator_list = [ast.Expr(ast.Constant(summary))], []
    source = ast.unparse(head)
    return Example(file, source, body) if source.isascii() and body.isascii() else None


def _does_nothing(body: list[ast.stmt]) -> bool:
    return len(body) == 1 and isinstance(body[0], ast.Pass | ast.Raise)


def _write(folder: Path, examples: list[Example]) -> tuple[Path, Path]:
    examples.sort(key=lambda one: (one.is_dev, hashlib.sha1(f"{one.source}\0{one.target}".encode()).digest()))
    examples = _without_copies(_without_copies(examples, side="target"), side="source")
    files = folder / "train.jsonl", folder / "dev.jsonl"
    for file, is_dev in zip(files, (False, True), strict=True):
        rows = [{"source": one.source, "target": one.target} for one in examples if one.is_dev == is_dev]
        write_file(file, "".join(json.dumps(row) + "\n" for row in rows))
    return files


def _without_copies(examples: list[Example], *, side: str) -> list[Example]:
    """Return the examples of which no earlier one has almost the same text on that side."""
    first: dict[str, Example] = {}
    for example in examples:
        first.setdefault(" ".join(getattr(example, side).split()), example)
    copies = near_matches(list(first))
    return [example for row, example in enumerate(first.values()) if row not in copies]
