"""Text files -> sentences and document boundaries, as a stream."""

from __future__ import annotations

import codecs
import io
import itertools
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kerastx.data.exact_text import exact_lines
from kerastx.errors import DataError
from kerastx.text.sentences import sentence_ends

DOCUMENT_MODES = ("blank", "file", "heading")
SUFFIXES = (".txt", ".md")
MAXIMUM_SENTENCE = 16_384  # characters; text without a full stop is cut here
MAXIMUM_READ = 16_384  # characters read at once, so that one endless line fits into memory

_MARKDOWN_HEADING = re.compile(r"#{1,6}[ \t]+(?P<title>.*?)[ \t]*#*")
_TITLE = re.compile(r"=[ \t]+(?P<title>[^=\s](?:.*[^=\s])?)[ \t]+=")
_SECTION = re.compile(r"=(?:[ \t]*=)+[ \t]*(?P<title>[^=\s](?:.*[^=\s])?)[ \t]*=(?:[ \t]*=)+")
_HYPHENATED = re.compile(r"[^\W\d_]-\Z")


class Sentence(NamedTuple):
    text: str
    starts_document: bool


@dataclass(frozen=True)
class CorpusFile:
    path: Path
    size_bytes: int


class Segment(NamedTuple):
    """The bytes start to end of a file; both stand at the beginning of a line, or the file's end."""

    path: Path
    start: int
    end: int


def list_files(paths: Iterable[str | os.PathLike[str]]) -> list[CorpusFile]:
    """Return the files of a corpus: each file named, and the .txt and .md files below each folder, sorted."""
    files: list[CorpusFile] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            if not found:
                raise DataError(f"{path}: the folder holds no {' or '.join(SUFFIXES)} file")
            files += [CorpusFile(file, file.stat().st_size) for file in found]
        elif path.is_file():
            files.append(CorpusFile(path, path.stat().st_size))
        elif path.exists():
            raise DataError(f"{path}: expected a text file or a folder, got neither")
        else:
            raise DataError(f"{path}: there is no such file or folder")
    if not files:
        raise DataError("the corpus is empty: no file or folder was given")
    return files


def read_sentences(
    files: Sequence[CorpusFile],
    *,
    documents: str = "blank",
    encoding_errors: str = "strict",
    exact: bool = False,
    on_read: Callable[[int], None] | None = None,
) -> Iterator[Sentence]:
    """Yield the sentences of a corpus in order; memory does not grow with it.

    Args:
        files: what `list_files` returned.
        documents: where a new document starts: after "blank" lines, with each "file", or with each file and each
            "heading" (`# Title` to `###### Title`, or `= Title =`).
        encoding_errors: "strict" raises DataError on text that is not UTF-8; "replace" puts U+FFFD.
        exact: lines as they stand, with their ends, in the place of sentences; see `exact_lines`.
        on_read: called from time to time with the number of bytes read so far.
    """
    segments = [Segment(file.path, 0, file.size_bytes) for file in files]
    return read_segments(segments, documents=documents, encoding_errors=encoding_errors, exact=exact, on_read=on_read)


def read_segments(
    segments: Sequence[Segment],
    *,
    documents: str = "blank",
    encoding_errors: str = "strict",
    exact: bool = False,
    on_read: Callable[[int], None] | None = None,
) -> Iterator[Sentence]:
    """Yield the sentences of some parts of a corpus, each a document at least; see `read_sentences`."""
    check_reading(documents, encoding_errors)
    before = 0
    for segment in segments:
        starts_document = True
        pieces = _pieces(segment, encoding_errors, before, on_read)
        split = exact_lines(pieces, documents, heading_of) if exact else _sentences(pieces, documents)
        for sentence in split:
            if sentence is None:
                starts_document = True
                continue
            yield Sentence(sentence, starts_document)
            starts_document = False
        before += segment.end - segment.start
        if on_read is not None:
            on_read(before)


def check_reading(documents: str, encoding_errors: str) -> None:
    """ValueError for a way of reading that there is not."""
    if documents not in DOCUMENT_MODES:
        raise ValueError(f"documents must be one of {', '.join(DOCUMENT_MODES)}, got {documents!r}.")
    if encoding_errors not in ("strict", "replace"):
        raise ValueError(f"encoding_errors must be strict or replace, got {encoding_errors!r}.")


def _sentences(pieces: Iterable[tuple[str, bool, bool]], documents: str) -> Iterator[str | None]:
    """Yield sentences, and None where a new document may start."""
    paragraph = _Paragraph()
    for piece, at_start, at_end in pieces:
        whole_line = at_start and at_end
        stripped = piece.strip()
        if whole_line and not stripped:
            yield from paragraph.flush()
            if documents == "blank":
                yield None
        elif whole_line and documents == "heading" and stripped[0] in "#=" and (heading := heading_of(stripped)):
            yield from paragraph.flush()
            title, starts_document = heading
            if starts_document:
                yield None
            if title:
                yield title
        else:
            yield from paragraph.add(piece, at_start=at_start, at_end=at_end)
    yield from paragraph.flush()


def heading_of(line: str) -> tuple[str, bool] | None:
    """Return the text of a heading and whether it starts a document; None for other lines."""
    if match := _MARKDOWN_HEADING.fullmatch(line) or _TITLE.fullmatch(line):
        return match["title"].strip(), True
    if match := _SECTION.fullmatch(line):
        return match["title"].strip(), False
    return None


class _Paragraph:
    """The lines since the last sentence end, joined as one text."""

    def __init__(self) -> None:
        self._text = ""
        self._searched = 0  # there is no sentence end before this offset

    def add(self, piece: str, *, at_start: bool, at_end: bool) -> Iterator[str]:
        """Take the next line, or a piece of a long one, and yield the sentences that are now whole."""
        if at_start:
            self._join(piece.strip() if at_end else piece.lstrip())
        else:
            self._text += piece.rstrip() if at_end else piece
        begin = 0
        for end in sentence_ends(self._text, self._searched, complete=at_end):
            yield self._text[begin:end].strip()
            begin = end
        while len(self._text) - begin > MAXIMUM_SENTENCE:
            space = self._text.rfind(" ", begin + 1, begin + MAXIMUM_SENTENCE)
            end = space if space > 0 else begin + MAXIMUM_SENTENCE
            yield self._text[begin:end].strip()
            begin = end
        self._text = self._text[begin:].lstrip()
        self._searched = len(self._text) if at_end else 0

    def flush(self) -> Iterator[str]:
        if sentence := self._text.strip():
            yield sentence
        self._text = ""
        self._searched = 0

    def _join(self, line: str) -> None:
        if self._text and line and not _joins_directly(self._text, line[0]):
            self._text += " "
        self._text += line


def _joins_directly(text: str, following: str) -> bool:
    if _HYPHENATED.search(text[-2:]) and following.isalpha():
        return True
    return _is_wide(text[-1]) and _is_wide(following)


def _is_wide(character: str) -> bool:
    """Whether a character belongs to a script that is written without spaces (Han, kana, their punctuation)."""
    return unicodedata.east_asian_width(character) in "WF" and not "\uac00" <= character <= "\ud7a3"


class _Range(io.RawIOBase):
    """A file that ends where the segment ends."""

    def __init__(self, segment: Segment):
        self._stream = segment.path.open("rb", buffering=0)
        self._stream.seek(segment.start)
        self._left = segment.end - segment.start
        self.num_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: self._left]
        count = self._stream.readinto(view) if len(view) else 0
        self._left -= count or 0
        self.num_read += count or 0
        return count or 0

    def close(self) -> None:
        self._stream.close()
        super().close()


def _pieces(
    segment: Segment, encoding_errors: str, before: int, on_read: Callable[[int], None] | None
) -> Iterator[tuple[str, bool, bool]]:
    """Yield a segment's lines as (text, starts a line, ends a line); a line that is too long comes in pieces."""
    path, at_start = segment.path, True
    try:
        raw = _Range(segment)
        with io.TextIOWrapper(io.BufferedReader(raw, 1 << 16), "utf-8", encoding_errors) as stream:
            for count in itertools.count():
                piece = stream.readline(MAXIMUM_READ)
                if not piece:
                    return
                at_end = piece.endswith("\n") or len(piece) < MAXIMUM_READ
                is_first = count == 0 and segment.start == 0
                yield piece.removeprefix("\ufeff") if is_first else piece, at_start, at_end
                at_start = at_end
                if on_read is not None and count % 1024 == 0:
                    on_read(before + raw.num_read)
    except UnicodeDecodeError as error:
        line = _first_bad_line(path)
        raise DataError(
            f"{path}:{line}: expected UTF-8 text, got byte 0x{error.object[error.start]:02x}; "
            "convert the file, or pass --encoding-errors replace"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _first_bad_line(path: Path) -> int:
    """Return the number of the first line that is not UTF-8; the decoder itself only knows its buffer."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as stream:
        while block := stream.readline(MAXIMUM_READ):
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                break
            line += block.endswith(b"\n")
    return line
