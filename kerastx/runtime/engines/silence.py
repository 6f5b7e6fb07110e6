"""Libraries that greet on stderr from their C++ side, before any log level is read: only the descriptor stops them."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

# The descriptor is the process's: of two threads the second would take nowhere for what is to be restored.
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Let nothing written to the process's stderr be seen, from whatever thread, inside of the block."""
    with _one_at_a_time, _silenced():
        yield


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError):  # there is none to be seen
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class Farewell:
    """Silences stderr when it is collected at the end of Python: what it keeps, and C++ behind it, goes without a word.

    Attributes:
        kept: whatever is to live as long as the process.
    """

    def __init__(self) -> None:
        self.kept: object = None

    def __del__(
        self,
        _open: Callable[..., int] = os.open,
        _dup2: Callable[..., int] = os.dup2,
        _null: str = os.devnull,
        _only_writing: int = os.O_WRONLY,
        _is_over: Callable[[], bool] = sys.is_finalizing,
    ) -> None:
        # The names of a module may be gone by now; defaults are not.
        if _is_over():
            _dup2(_open(_null, _only_writing), 2)
