"""JSON whose objects know where in the file they stand, so that an error can name the line."""

from __future__ import annotations

import json
import json.decoder
import json.scanner
from bisect import bisect_right
from pathlib import Path
from typing import Any

from kerastx.data.tables import read_text_file
from kerastx.errors import DataError


class LocatedObject(dict[str, Any]):
    """A JSON object; `offset` is the place of its opening brace in the text."""

    offset: int = 0


class Lines:
    """From places in a text to line numbers."""

    def __init__(self, content: str):
        self._ends = [place for place, character in enumerate(content) if character == "\n"]

    def line(self, offset: int) -> int:
        return bisect_right(self._ends, offset - 1) + 1


def read_located(file: Path) -> tuple[Any, Lines]:
    """Return the JSON value of a file, its objects as `LocatedObject`s, and where its lines end.

    Raises:
        DataError: the file is missing, empty, not UTF-8 or not JSON, or nested too deep.
    """
    content = read_text_file(file)
    if not content.strip():
        raise DataError(f"{file}: expected JSON, got an empty file")
    try:
        return _LocatingDecoder().decode(content), Lines(content)
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}: expected JSON, got {_what(error, content)}") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise DataError(f"{file}: expected JSON, got what Python cannot read: {error}") from None
    except RecursionError:
        raise DataError(f"{file}: expected JSON of a few levels, got lists in lists without end") from None


def _what(error: json.JSONDecodeError, content: str) -> str:
    if error.pos >= len(content.rstrip()):
        return "the end of the file: it is cut off"
    found = content[error.pos : error.pos + 20].split("\n")[0]
    return f"{found!r} ({error.msg[:1].lower()}{error.msg[1:]})"


class _LocatingDecoder(json.JSONDecoder):
    """The decoder of the standard library in its Python form, of which the function for objects can be replaced."""

    def __init__(self) -> None:
        super().__init__()
        read_object = json.decoder.JSONObject  # type: ignore[attr-defined]

        def located(at: tuple[str, int], *arguments: Any) -> tuple[LocatedObject, int]:
            values, end = read_object(at, *arguments)
            found = LocatedObject(values)
            found.offset = at[1] - 1
            return found, end

        self.parse_object = located
        self.scan_once = json.scanner.py_make_scanner(self)  # type: ignore[attr-defined]
