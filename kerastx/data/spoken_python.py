"""Functions of the standard library read aloud: tagged words and pairs of texts that every machine has.

Words in lower case, no mark, names cut into their words: "def get text self default none return self text or default".
Where a name begins and ends, and whether it is a parameter or an attribute, is for the reader to find out; the syntax
tree knows. What a function does, its docstring says. No claim about quality is ever made from it.
"""

from __future__ import annotations

import ast
import hashlib
import io
import itertools
import keyword
import os
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kerastx.data.python_docs import DEV_PERCENT, hash_percent, library_files, library_root, write_file
from kerastx.text.tags import OUTSIDE

LABELS = ("ATTRIBUTE", "CLASS", "FUNCTION", "MODULE", "PARAMETER", "STRING", "VARIABLE")
FEWEST_WORDS, MOST_WORDS = 8, 48
FEWEST_SUMMARY_WORDS = 4

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_CLASS_NAME = re.compile(r"_*[A-Z]\w*[a-z]")
_STRING_WORDS = 8
Place = tuple[int, int]  # line and column
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class SpokenFunction:
    """A function or method.

    Attributes:
        file: that it stands in, below the standard library.
        words: its beginning, up to `MOST_WORDS` words, without its docstring.
        tags: of each word, in the BIO scheme over `LABELS`.
        summary: first paragraph of its docstring on one line; "" where it has none.
    """

    file: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    summary: str

    @property
    def name_end(self) -> int:
        """Number of the first word behind its name; 0 where the name is no word, as that of `def _():`."""
        first = 1 + ("async" in self.words[:1])  # behind def, or async def
        if self.tags[first] != "B-FUNCTION":
            return 0
        return first + 1 + len(list(itertools.takewhile("I-FUNCTION".__eq__, self.tags[first + 1 :])))

    @property
    def is_dev(self) -> bool:
        """Whether its file is one of the `DEV_PERCENT` that are not trained on."""
        return hash_percent(self.file) < DEV_PERCENT


def spoken_functions() -> Iterator[SpokenFunction]:
    """Yield the functions, and the methods of classes, that have at least `FEWEST_WORDS` words, by file and line.

    Left out are files with other characters than ASCII and functions with f-strings: what a column and a token is in
    them depends on the version of Python.

    Raises:
        DataError: this Python comes without the source files of its library.
    """
    for file in library_files():
        content = (library_root() / file).read_bytes()
        if not content.isascii():
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # invalid escapes in code that is not ours
                found = list(_functions_of(content.decode().replace("\r\n", "\n"), file.as_posix()))
        except (SyntaxError, ValueError, tokenize.TokenError):  # templates and files for other interpreters
            continue
        yield from found


def write_entities(folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write train.conll and dev.conll, what the names and strings of functions are, and return both files.

    The functions of a file of the library are all in one of them, and none stands in both. They are ordered by hash:
    the first ones are a sample of all.

    Raises:
        DataError: this Python comes without the source files of its library, or the folder cannot be written.
    """
    parts: tuple[set[str], set[str]] = (set(), set())
    for function in spoken_functions():
        rows = zip(function.words, function.tags, strict=True)
        parts[function.is_dev].add("".join(f"{word} {tag}\n" for word, tag in rows))
    return _write_parts(Path(folder), parts, suffix="conll", between="\n")


def write_pairs(folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write train.tsv and dev.tsv, what a function does and the function itself without its name, and return both.

    The columns are query and answer; split and order are those of `write_entities`, and no text of train is in dev.

    Raises:
        DataError: this Python comes without the source files of its library, or the folder cannot be written.
    """
    parts: tuple[set[str], set[str]] = (set(), set())
    for function in spoken_functions():
        words, summary = function.words[function.name_end :], function.summary
        if len(summary.split()) >= FEWEST_SUMMARY_WORDS and summary.isprintable() and len(words) >= FEWEST_WORDS:
            parts[function.is_dev].add(f"{summary}\t{' '.join(words)}\n")
    known = {text for row in parts[0] for text in row.rstrip("\n").split("\t")}
    dev = {row for row in parts[1] if known.isdisjoint(row.rstrip("\n").split("\t"))}
    return _write_parts(Path(folder), (parts[0], dev), suffix="tsv", header="query\tanswer\n")


def _write_parts(
    folder: Path, parts: tuple[set[str], set[str]], *, suffix: str, header: str = "", between: str = ""
) -> tuple[Path, Path]:
    files = folder / f"train.{suffix}", folder / f"dev.{suffix}"
    for file, rows in zip(files, (parts[0], parts[1] - parts[0]), strict=True):
        write_file(file, header + between.join(sorted(rows, key=_digest)))
    return files


def _digest(row: str) -> bytes:
    return hashlib.sha1(row.encode()).digest()


def _functions_of(source: str, file: str) -> Iterator[SpokenFunction]:
    tree = ast.parse(source)
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    imports = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    modules = {alias.asname or alias.name.partition(".")[0] for alias in imports}
    outer: list[ast.Module | ast.ClassDef] = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    for function in [node for one in outer for node in one.body if isinstance(node, _FUNCTIONS)]:
        if any(isinstance(node, ast.JoinedStr) for node in ast.walk(function)):
            continue
        own = [token for token in tokens if function.lineno <= token.start[0] <= (function.end_lineno or 0)]
        words, tags = _read_aloud(own, function, modules)
        if len(words) >= FEWEST_WORDS:
            summary = (ast.get_docstring(function) or "").partition("\n\n")[0]
            yield SpokenFunction(file, words, tags, " ".join(summary.split()))


def _read_aloud(
    tokens: list[tokenize.TokenInfo], function: Function, modules: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return words and tags; what no longer fits as a whole ends it."""
    names, strings = _name_labels(function, modules), _strings(function)
    found: list[tuple[str, str]] = []
    before = ""
    for token in tokens:
        text, label = token.string, ""
        if token.type == tokenize.STRING:  # of strings side by side only the first has a place, for all of them
            text, label = strings.get(token.start, ""), "STRING"
        elif token.type == tokenize.NAME:
            label = "FUNCTION" if before == "def" else "" if keyword.iskeyword(text) else names.get(token.start, "")
        elif token.type != tokenize.NUMBER:
            text = ""
        before = token.string
        words = _WORD.findall(text)[: _STRING_WORDS if token.type == tokenize.STRING else None]
        if len(found) + len(words) > MOST_WORDS:
            break
        found += [
            (word.lower(), f"{'I' if place else 'B'}-{label}" if label else OUTSIDE) for place, word in enumerate(words)
        ]
    return tuple(word for word, _ in found), tuple(tag for _, tag in found)


def _strings(function: Function) -> dict[Place, str]:
    """Return the texts of a function by where they begin, but for its docstring."""
    first = function.body[0]
    documented = first.value if isinstance(first, ast.Expr) else None
    return {
        (node.lineno, node.col_offset): node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node is not documented
    }


def _name_labels(function: Function, modules: set[str]) -> dict[Place, str]:
    """Return what the names of a function are, by where they begin; "" where they are nothing of `LABELS`."""
    nodes = list(ast.walk(function))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    parameters = {node.arg for node in nodes if isinstance(node, ast.arg)}
    variables = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    known = {
        **dict.fromkeys(modules, "MODULE"),
        **dict.fromkeys(variables, "VARIABLE"),
        **dict.fromkeys(parameters, "PARAMETER"),
    }
    found: dict[Place, str] = {}
    for node in nodes:
        if isinstance(node, ast.Attribute):
            end = node.end_lineno or 0, (node.end_col_offset or 0) - len(node.attr)
            found[end] = _by_use(node.attr, id(node) in called) or "ATTRIBUTE"
        elif isinstance(node, ast.Name):
            found[node.lineno, node.col_offset] = known.get(node.id) or _by_use(node.id, id(node) in called)
        elif isinstance(node, ast.arg) or (isinstance(node, ast.keyword) and node.arg):
            found[node.lineno, node.col_offset] = "PARAMETER"
    return found


def _by_use(name: str, is_called: bool) -> str:
    return "CLASS" if _CLASS_NAME.match(name) else "FUNCTION" if is_called else ""
