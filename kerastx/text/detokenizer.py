"""Token ids -> text out of tables alone, equal to the decoders of the `tokenizers` library, which it does not need.

What the tables hold and how they are used is told in `kerastx.artifact.Manifest`, as its entry `detokenizer`;
`kerastx.text.detokenizer_tables` makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from kerastx.errors import DataError

BLANK, REPLACEMENT = " ", "\N{REPLACEMENT CHARACTER}"
# What of the blanks a text of pieces loses at its beginning: those of its first token, or its first character.
LEADING = ("none", "token", "text")
_OWN_ENTRIES = {"bytes": (), "wordpiece": ("prefix", "cleanup"), "pieces": ("bytes", "leading")}
_ROLES = ("begin_ids", "end_ids", "special_ids")


class Detokenizer:
    """Token ids to text; immutable and safe to share between threads.

    Args:
        entry: see `kerastx.artifact.Manifest`; it is not trusted.

    Attributes:
        vocabulary_size: how many tokens there are.
        begin_ids, end_ids, special_ids: as `kerastx.text.tokenizer.Tokenizer` has them.

    Raises:
        DataError: the entry is of other types, or speaks of tokens that are not there.
    """

    def __init__(self, entry: dict[str, Any]):
        if problem := _problem(entry):
            raise DataError(f"its detokenizer {problem}")
        self._tokens: list[str | None] = entry["tokens"]
        self.vocabulary_size = len(self._tokens)
        self.begin_ids, self.end_ids, self.special_ids = (tuple(entry[name]) for name in _ROLES)
        self._join: Callable[[list[int]], str]
        if entry["kind"] == "bytes":
            self._contents = [(token or "").encode("latin-1") for token in self._tokens]
            self._join = self._join_bytes
        elif entry["kind"] == "wordpiece":
            self._prefix, self._cleanup = entry["prefix"], entry["cleanup"]
            self._join = self._join_words
        else:
            self._byte_of = {number: byte for byte, number in enumerate(entry["bytes"])}
            self._leading = entry["leading"]
            self._join = self._join_pieces

    def decode(self, ids: Iterable[int]) -> str:
        """Return readable text for token ids; special tokens, and ids without a token, are left out."""
        shown = [int(number) for number in ids if 0 <= number < self.vocabulary_size]
        return self._join([number for number in shown if self._tokens[number] is not None])

    def _join_bytes(self, ids: list[int]) -> str:
        return b"".join(self._contents[number] for number in ids).decode("utf-8", "replace")

    def _join_words(self, ids: list[int]) -> str:
        return "".join(self._word(piece, is_first=place == 0) for place, piece in enumerate(self._texts(ids)))

    def _word(self, piece: str, *, is_first: bool) -> str:
        if not is_first:
            piece = piece[len(self._prefix) :] if piece.startswith(self._prefix) else BLANK + piece
        for old, new in self._cleanup:
            piece = piece.replace(old, new)
        return piece

    def _join_pieces(self, ids: list[int]) -> str:
        found: list[str] = []
        for is_byte, run in groupby(ids, key=self._byte_of.__contains__):
            if is_byte:
                found.append(_characters(bytes(self._byte_of[number] for number in run)))
            else:
                found += self._texts(run)
        if self._leading == "token" and found:
            found[0] = found[0].replace(BLANK, "")
        text = "".join(found)
        return text.removeprefix(BLANK) if self._leading == "text" else text

    def _texts(self, ids: Iterable[int]) -> Iterator[str]:
        return (self._tokens[number] or "" for number in ids)


def _characters(content: bytes) -> str:
    """Return the characters of a run of bytes, or as many replacements as bytes where some are none."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return REPLACEMENT * len(content)


def _problem(entry: dict[str, Any]) -> str:
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in _OWN_ENTRIES:
        return f"has the kind {kind!r}; expected one of {', '.join(_OWN_ENTRIES)}"
    expected = {"kind", "tokens", *_ROLES, *_OWN_ENTRIES[kind]}
    if entry.keys() != expected:
        return f"has {', '.join(sorted(entry))}; expected {', '.join(sorted(expected))}"
    tokens = entry["tokens"]
    if not isinstance(tokens, list) or not tokens or not all(token is None or type(token) is str for token in tokens):
        return "has tokens that are not a list of strings"
    for name in _ROLES:
        if not _are_ids(entry[name], len(tokens)) or not entry[name]:
            return f"has {name} that are no tokens"
    if kind == "bytes" and any(token and max(token) > "\xff" for token in tokens):
        return "has characters that are no bytes"
    if kind == "wordpiece" and not (isinstance(entry["prefix"], str) and _are_pairs(entry["cleanup"])):
        return "has a prefix and cleanup that are not a string and pairs of strings"
    if kind == "pieces":
        if entry["leading"] not in LEADING:
            return f"has {entry['leading']!r} for leading; expected one of {', '.join(LEADING)}"
        if not _are_ids(entry["bytes"], len(tokens)) or len(entry["bytes"]) not in (0, 256):
            return "has bytes that are not 256 tokens"
    return ""


def _are_ids(values: Any, size: int) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < size for value in values)


def _are_pairs(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(pair, list) and [type(text) for text in pair] == [str, str] for pair in values
    )
