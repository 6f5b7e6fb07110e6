"""A folder beside the output in which files are made; they appear in the output when all are whole."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from kerastx.errors import ExportError


@contextlib.contextmanager
def workspace(output: Path, names: Sequence[str], *, force: bool) -> Iterator[Path]:
    """Yield a folder on the disk of `output`; on leaving it without an error, move the files `names` over.

    Whatever else was made in the folder is deleted. A process that is killed leaves only the hidden folder, which
    the next export to the same output removes.

    Raises:
        ExportError: the output is a file, holds one of the names and `force` is not set, or cannot be written.
    """
    folder = output.parent / f".{output.name}.tmp-{os.getpid()}"
    try:
        _check_output(output, names, force=force)
        _remove_leftovers(output)
        folder.mkdir(parents=True)
        yield folder
        _move(folder, output, names)
    except OSError as error:
        raise ExportError(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_output(output: Path, names: Sequence[str], *, force: bool) -> None:
    if output.exists() and not output.is_dir():
        raise ExportError(f"{output} is a file; expected a folder for the exported files")
    for name in names:
        if (output / name).is_dir():
            raise ExportError(f"{output / name} is a folder; expected nothing or a file there")
        if (output / name).exists() and not force:
            raise ExportError(f"{output / name} exists; choose another output or use --force")


def _move(folder: Path, output: Path, names: Sequence[str]) -> None:
    for name in names:
        with open(folder / name, "rb") as stream:
            os.fsync(stream.fileno())
    output.mkdir(exist_ok=True)
    for name in names:
        os.replace(folder / name, output / name)


def _remove_leftovers(output: Path) -> None:
    pattern = re.compile(re.escape(f".{output.name}.tmp-") + r"(\d+)")
    if not output.parent.is_dir():
        return
    for entry in output.parent.iterdir():
        match = pattern.fullmatch(entry.name)
        if match and not _is_running(int(match[1])):
            shutil.rmtree(entry, ignore_errors=True)


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process_id != os.getpid()
