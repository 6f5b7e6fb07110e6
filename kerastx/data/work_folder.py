"""Where `prepare` keeps what it has done so far, so that it can go on after it was killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerastx.data.store import MANIFEST
from kerastx.errors import DataError
from kerastx.locks import is_same, try_lock
from kerastx.text.tokenizer import Tokenizer

FORMAT = "kerastx-prepare-1"
KEY, RESULT, LOCK = "key.json", "result.sha256", "lock"


class WorkFolder:
    """A hidden folder beside the output, used by one process at a time and bound to one corpus and its settings.

    Attributes:
        resumed: whether it holds the work of an earlier run with the same key.
    """

    def __init__(self, output: str | os.PathLike[str], key: dict[str, Any], say: Callable[[str], None]):
        """Lock the folder and empty it unless its key is this one; DataError where another process works in it."""
        self._output = Path(output)
        self._folder = folder_of(output)
        text = _key_text(key)
        self._mark = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._lock = self._enter()
        try:
            self.resumed = self._agrees(text, say)
        except BaseException:
            self._lock.close()
            raise

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
        tokenizer.save(file)
        return file

    def note_result(self, store: Path) -> None:
        """Note that this store, which is about to get its name, is the result of the work."""
        _write(self._folder / RESULT, _manifest_sha256(store))

    def remove(self) -> None:
        """Remove the folder; what tells that the work is done goes last."""
        last = [self._folder / name for name in (KEY, RESULT, LOCK)]
        for left in [*(file for file in self._folder.iterdir() if file not in last), *last]:
            left.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a worker that outlived its parent may have put a file there
            self._folder.rmdir()

    def _enter(self) -> Any:
        while True:
            self._folder.mkdir(parents=True, exist_ok=True)
            if any(self._folder.iterdir()) and not (self._folder / LOCK).exists():
                raise DataError(f"{self._folder}: is not a work folder of kerastx prepare; move it away")
            try:
                lock = (self._folder / LOCK).open("ab")
            except FileNotFoundError:  # another process has just finished
                continue
            if not try_lock(lock.fileno()):
                lock.close()
                raise DataError(f"{self._output}: another kerastx prepare is working on it")
            if is_same(lock.fileno(), self._folder / LOCK):
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
        _write(file, text)
        return False


def folder_of(output: str | os.PathLike[str]) -> Path:
    """Return the work folder of an output, whether it is there or not."""
    target = Path(output)
    return target.parent / f".{target.name}.prepare"


def has_made(output: str | os.PathLike[str], key: dict[str, Any]) -> bool:
    """Whether a run with this key made the output, and was killed before it could clear its work away."""
    folder = folder_of(output)
    try:
        is_ours = (folder / KEY).read_text(encoding="utf-8") == _key_text(key)
        return is_ours and (folder / RESULT).read_text(encoding="utf-8") == _manifest_sha256(Path(output))
    except OSError:
        return False


def _key_text(key: dict[str, Any]) -> str:
    return json.dumps({"format": FORMAT, **key}, sort_keys=True)


def _manifest_sha256(store: Path) -> str:
    return hashlib.sha256((store / MANIFEST).read_bytes()).hexdigest()


def _write(file: Path, text: str) -> None:
    temporary = file.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
