"""The embedded corpus: docstrings of the standard library and the topics of `help()`, about 2 MB on every machine.

It makes the examples and tests run without a download. It is read from source files, so no module is imported and
nothing but the Python version changes it. No claim about quality is ever made from it.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import itertools
import os
import re
import sysconfig
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from kerastx.data.labelled import LabelledData
from kerastx.errors import DataError

CORPUS_NAME = "python_docs.md"
# In every Python from 3.11 to 3.13, whatever a distribution leaves out, and with at least 50 docstrings.
PACKAGES = (
    "asyncio", "collections", "datetime", "decimal", "email", "encodings", "http", "imaplib", "importlib",
    "inspect", "ipaddress", "logging", "mailbox", "multiprocessing", "pathlib", "statistics", "tarfile",
    "unittest", "urllib", "xml",
)  # fmt: skip
MINIMUM_CHARACTERS = 20
DEV_PERCENT = 15

_SKIPPED = frozenset(
    "site-packages dist-packages test tests idlelib lib2to3 tkinter turtle turtledemo distutils".split()
)
_SOURCES = {"_pydecimal": "decimal", "_pydatetime": "datetime"}  # where the Python text of a module moved to
_DECORATION = re.compile(r"[^\w\s]{2,}")
_HEADING_MARKS = re.compile(r"[#=]+\s+")


@dataclass(frozen=True)
class Docstring:
    """A docstring of a module, or of a class or function in it."""

    name: str  # asyncio.events.Handle.cancel
    module: str  # asyncio.events
    text: str


def docstrings(packages: Collection[str] | None = None) -> Iterator[Docstring]:
    """Yield the docstrings of the standard library, or of some of its top-level names, by file and line.

    Raises:
        DataError: this Python comes without the source files of its library.
    """
    root = library_root()
    for file in library_files(packages):
        parts = file.with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree = _parsed(root / file)
        if tree is not None:
            yield from _docstrings(tree, module, module)


def library_root() -> Path:
    """Return the folder of the standard library."""
    return Path(sysconfig.get_path("stdlib"))


def library_files(packages: Collection[str] | None = None) -> list[Path]:
    """Return the source files of the standard library, or of some of its top-level names, below `library_root`.

    Raises:
        DataError: this Python comes without them.
    """
    root = library_root()
    names = [path for path in root.iterdir() if packages is None or _package(path.stem) in packages]
    found = (path.rglob("*.py") if path.is_dir() else [path] for path in names if path.name not in _SKIPPED)
    files = [file.relative_to(root) for file in itertools.chain.from_iterable(found) if file.suffix == ".py"]
    files = sorted(file for file in files if not _is_skipped(file))
    if not files:
        raise DataError(f"{root}: holds no source files of the standard library; use a Python that has them")
    return files


def topics() -> dict[str, str]:
    """Return the texts of Python's `help()` topics by name."""
    tree = _parsed(library_root() / "pydoc_data" / "topics.py")
    assignments = [] if tree is None else [node for node in tree.body if isinstance(node, ast.Assign)]
    return ast.literal_eval(assignments[-1].value) if assignments else {}


def write_corpus(path: str | os.PathLike[str]) -> Path:
    """Write the corpus as one Markdown file; prepare it with documents="heading".

    A document is a module with its functions, a class with its methods, or a topic: single docstrings are mostly too
    short for a pair of sentences. The docstrings behind the dev rows of `labelled_examples` are left out.

    Args:
        path: the file, or an existing folder to put python_docs.md into.

    Returns:
        The file.
    """
    target = Path(path)
    if target.is_dir():
        target = target / CORPUS_NAME
    documents: dict[str, list[str]] = {}
    seen: set[str] = set()
    for docstring in docstrings():
        text = _plain(docstring.text)
        if text and text not in seen and not _is_dev(docstring):
            seen.add(text)
            documents.setdefault(_document_of(docstring), []).append(text)
    for name, text in sorted(topics().items()):
        documents[f"help {name}"] = [_plain(text)]
    content = "".join(f"# {name}\n\n" + "\n\n".join(texts) + "\n\n" for name, texts in documents.items())
    write_file(target, content)
    return target


def labelled_examples() -> tuple[LabelledData, LabelledData]:
    """Return train and dev rows of a toy task: which package of `PACKAGES` is a docstring from?

    The package's own name is masked out; the rows are split by a hash of their text, 85 to 15.
    """
    rows: dict[str, str] = {}
    for docstring in docstrings(PACKAGES):
        label, text = _labelled(docstring)
        if len(text) >= MINIMUM_CHARACTERS:
            rows.setdefault(text, label)
    split: tuple[list[str], list[str]] = ([], [])
    for text in rows:
        split[hash_percent(text) < DEV_PERCENT].append(text)
    train, dev = (LabelledData.of(texts, [rows[text] for text in texts], PACKAGES) for texts in split)
    return train, dev


def _labelled(docstring: Docstring) -> tuple[str, str]:
    label = _package(docstring.module.partition(".")[0])
    return label, _masked(" ".join(docstring.text.replace("\0", " ").split()), label)


def _is_dev(docstring: Docstring) -> bool:
    label, text = _labelled(docstring)
    return label in PACKAGES and hash_percent(text) < DEV_PERCENT


def write_labelled(folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write `labelled_examples` as train.tsv and dev.tsv into a folder, and return both files."""
    target = Path(folder)
    files = target / "train.tsv", target / "dev.tsv"
    for file, examples in zip(files, labelled_examples(), strict=True):
        rows = zip(examples.labels, examples.texts, strict=True)
        write_file(file, "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows))
    return files


def write_file(file: Path, content: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise DataError(f"{file}: cannot be written: {error.strerror}") from error


def _package(name: str) -> str:
    return _SOURCES.get(name, name)


def _is_skipped(path: Path) -> bool:
    parts = path.with_suffix("").parts
    return not _SKIPPED.isdisjoint(parts) or parts[0].startswith("config-") or parts[0] == "pydoc_data"


def _parsed(file: Path) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in code that is not ours
            return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):  # templates and files for other interpreters
        return None


def _docstrings(node: ast.AST, name: str, module: str) -> Iterator[Docstring]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        text = ast.get_docstring(node, clean=False)
        if text and len(text.strip()) >= MINIMUM_CHARACTERS:
            yield Docstring(name, module, inspect.cleandoc(text))
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler):  # expressions hold no definitions
            own_name = getattr(child, "name", None) if isinstance(child, ast.stmt) else None
            yield from _docstrings(child, f"{name}.{own_name}" if own_name else name, module)


def _document_of(docstring: Docstring) -> str:
    """Return module.Class for what is in a class, and the module otherwise."""
    inner = docstring.name[len(docstring.module) + 1 :].split(".")
    return f"{docstring.module}.{inner[0]}" if inner[0][:1].isupper() else docstring.module


def _plain(text: str) -> str:
    """Drop underlines, and the marks that the corpus reader would take for a heading's."""
    lines = (line.rstrip() for line in text.replace("\0", " ").splitlines())
    return "\n".join("" if _DECORATION.fullmatch(line.strip()) else _unmarked(line) for line in lines).strip()


def _unmarked(line: str) -> str:
    return _HEADING_MARKS.sub("", line.lstrip(), count=1) if line.lstrip()[:1] in ("#", "=") else line


def _masked(text: str, package: str) -> str:
    return re.sub(rf"(?<![a-z])(?:_py)?{package}(?![a-z])", "this package", text, flags=re.IGNORECASE)


def hash_percent(text: str) -> int:
    return int.from_bytes(hashlib.sha1(text.encode("utf-8", "replace")).digest()[:8], "big") % 100
