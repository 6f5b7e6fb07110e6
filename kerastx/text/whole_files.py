"""Text files that are read within a bound and written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from kerastx.errors import DataError

# The largest tokenizer.json of a published encoder (a multilingual one) has about 20 MB.
MAX_FILE_BYTES = 200_000_000


def read_text(file: Path, *, expected: str) -> str:
    """Return the text of a UTF-8 file; DataError for one that is missing, unreadable, too large or not UTF-8.

    Args:
        file: its path, which starts the message of every error.
        expected: what the file should have been, such as "a tokenizer.json".
    """
    try:
        size_bytes = file.stat().st_size
        if size_bytes > MAX_FILE_BYTES:
            raise DataError(
                f"{file}: expected {expected} of at most {MAX_FILE_BYTES:,} bytes, got {size_bytes:,} bytes"
            )
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such tokenizer file") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise DataError(f"{file}: expected {expected}, got a file that is not UTF-8") from None


def write_text(file: Path, text: str) -> None:
    """Write a UTF-8 file through a temporary sibling, so that a reader sees the old file or the new one."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        os.chmod(name, 0o644)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
