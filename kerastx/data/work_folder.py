"""Where `prepare` keeps what it has done so far, so that it can go on after it was killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerastx.errors import DataError
from kerastx.text.tokenizer import Tokenizer

FORMAT = "kerastx-prepare-1"
KEY, LOCK = "key.json", "lock"


class WorkFolder:
    """A hidden folder beside the output, used by one process at a time and bound to one corpus and its settings.

    Attributes:
        resumed: whether it holds the work of an earlier run with the same key.
    """

    def __init__(self, output: str | os.PathLike[str], key: dict[str, Any], say: Callable[[str], None]):
        """Lock the folder and empty it unless its key is this one; DataError where another process works in it."""
        self._output = Path(output)
        self._folder = self._output.parent / f".{self._output.name}.prepare"
        text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
        self._mark = hashlib.sha256(text.encode()).hexdigest()[:16]
        try:
            self._lock = self._enter()
            try:
                self.resumed = self._agrees(text, say)
            except BaseException:
                self._lock.close()
                raise
        except OSError as error:
            raise DataError(f"{self._output}: the token store cannot be written: {error.strerror}") from error

    def __enter__(self) -> WorkFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def part(self, number: int) -> Path:
        """Return where a part belongs; a process that outlived an older run writes under other names."""
        return self._folder / f"{number:06d}-{self._mark}.part"

    def load_tokenizer(self) -> Tokenizer | None:
        """Return the tokenizer that was kept; None where there is none, or it is damaged."""
        for file in self._folder.glob("tokenizer-*.json"):
            if hashlib.sha256(file.read_bytes()).hexdigest() == file.stem.removeprefix("tokenizer-"):
                return Tokenizer.load(file)
        return None

    def keep_tokenizer(self, tokenizer: Tokenizer) -> Path:
        """Write the tokenizer for later runs and for other processes, and return its file."""
        file = self._folder / f"tokenizer-{tokenizer.sha256}.json"
        if not file.exists():
            tokenizer.save(file)
        return file

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _enter(self) -> Any:
        while True:
            self._folder.mkdir(parents=True, exist_ok=True)
            if any(self._folder.iterdir()) and not (self._folder / LOCK).exists():
                raise DataError(f"{self._folder}: is not a work folder of kerastx prepare; move it away")
            try:
                lock = (self._folder / LOCK).open("ab")
            except FileNotFoundError:  # another process has just finished
                continue
            if not _try_lock(lock.fileno()):
                lock.close()
                raise DataError(f"{self._output}: another kerastx prepare is working on it")
            if _is_same(lock.fileno(), self._folder / LOCK):
                return lock
            lock.close()  # it was removed between open and lock

    def _agrees(self, text: str, say: Callable[[str], None]) -> bool:
        file = self._folder / KEY
        found = file.read_text(encoding="utf-8") if file.exists() else None
        if found == text:
            return True
        if found is not None:
            say(f"{self._output}: an unfinished run had another corpus or other settings; starting anew")
        for left in self._folder.iterdir():
            if left.name != LOCK:
                left.unlink()
        temporary = file.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
        return False


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    """Take an exclusive lock that ends with this process, however it ends; False where another one has it."""
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
