"""Locks between processes that end with the process, however it ends. Standard library only."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from kerastx.errors import KerastxError


@contextlib.contextmanager
def locked(file: str | os.PathLike[str], *, busy: str) -> Iterator[None]:
    """Hold a lock file while the block runs, and remove it at its end.

    Raises:
        KerastxError: with the text `busy`, when another process holds it.
    """
    path = Path(file)
    while True:
        with path.open("ab") as stream:
            if not try_lock(stream.fileno()):
                raise KerastxError(busy)
            if not is_same(stream.fileno(), path):  # it was removed between open and lock
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def is_same(descriptor: int, path: Path) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def try_lock(descriptor: int) -> bool:
    """Take an exclusive lock on an open file; False where another process has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
