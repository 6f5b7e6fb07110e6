"""What tokenizers said about every code point, kept on disk from one process to the next."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tokenizers

# To be raised when the same question gets another answer: a file of an older format is never read.
FORMAT = 1
# What reading raises for a file that is missing, not ours or damaged anywhere.
_UNREADABLE = (OSError, ValueError, LookupError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


class Layout(NamedTuple):
    """What an array must be to be taken from a file.

    Attributes:
        dtype: of the array.
        shape: its sizes; None for one that all the arrays of a file share.
        below: every value is from 0 to one less than this.
    """

    dtype: type[np.generic]
    shape: tuple[int | None, ...]
    below: int


def remembered(
    question: Mapping[str, str], layouts: Mapping[str, Layout], ask: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return the answer to a question from its file, or else ask and write that file.

    Without a file that can be read, or a place to write one, it asks, as if there were no cache.

    Args:
        question: all that the answer depends on besides the version of `tokenizers`.
        layouts: name -> the layout of each array of the answer.
        ask: makes the answer.
    """
    content = json.dumps([FORMAT, tokenizers.__version__, dict(question)], sort_keys=True)
    name = f"unicode-{hashlib.sha256(content.encode()).hexdigest()[:32]}.npz"
    try:
        file = cache_folder() / name
    except RuntimeError:  # a user without a home
        return ask()
    found = _read(file, layouts)
    if found is None:
        found = ask()
        _write(file, found)
    return found


def cache_folder() -> Path:
    """Return $KERASTX_CACHE, or the folder that the platform has for files that may be deleted."""
    if named := os.environ.get("KERASTX_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "kerastx"


def _read(file: Path, layouts: Mapping[str, Layout]) -> dict[str, np.ndarray] | None:
    try:
        archive = np.load(io.BytesIO(file.read_bytes()), allow_pickle=False)
        found = {name: archive[name] for name in layouts}
    except _UNREADABLE:
        return None
    shared = {
        size
        for name, layout in layouts.items()
        for size, wanted in zip(found[name].shape, layout.shape, strict=False)
        if wanted is None
    }
    is_whole = len(shared) < 2 and all(_fits(found[name], layout) for name, layout in layouts.items())
    return found if is_whole else None


def _fits(values: np.ndarray, layout: Layout) -> bool:
    return (
        values.dtype == layout.dtype
        and values.ndim == len(layout.shape)
        and all(wanted in (None, size) for size, wanted in zip(values.shape, layout.shape, strict=True))
        and values.size > 0
        and bool(values.min() >= 0 and values.max() < layout.below)
    )


def _write(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the file through a temporary sibling, or leave no trace where that fails."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # the stubs take them for allow_pickle
        os.replace(name, file)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        if not isinstance(error, OSError):
            raise
