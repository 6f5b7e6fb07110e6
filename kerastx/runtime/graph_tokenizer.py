"""The tokenizer inside of a file, as the library's: texts of any length, read in pieces that the graph takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kerastx.artifact import Manifest
from kerastx.errors import ArtifactError
from kerastx.runtime.engines import Tokenizing
from kerastx.runtime.text_entries import checked_text_entry
from kerastx.text.encoding import Reading, TextEncoder
from kerastx.text.template import Slot, Template
from kerastx.text.well_formed import well_formed
from kerastx.text.word_breaks import last_break

# Byte-level BPE puts a blank before a text that begins with none, and the graph does not see zeros at the end of one:
# a line's end in front of a later piece, and a letter behind the zeros, are words of their own and keep both away.
_FRONT, _END = b"\n", b"a"


class _Tokens(NamedTuple):
    """The tokens of one run, without special ones: int32 (L,) each, begins and ends in bytes."""

    token_ids: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    def part(self, first: int, last: int) -> _Tokens:
        return _Tokens(*(values[first:last] for values in self))


class GraphTokenizer(TextEncoder):
    """Cuts texts as the `tokenizers` library does, by the graph of a file.

    A longer text than the graph takes is read in pieces that end where a word does. A single word that has more bytes
    or tokens than the graph takes may be cut at another place than the library cuts it.

    Args:
        manifest: of the file; its entry `text` says what the graph does not.
        engine: of the file.

    Raises:
        ArtifactError: the entry is of other types, or does not fit the graph.
    """

    def __init__(self, manifest: Manifest, engine: Tokenizing):
        text = checked_text_entry(manifest, engine)
        self.template = Template(
            tuple(Slot(*slot) for slot in text["single"]), tuple(Slot(*slot) for slot in text["pair"])
        )
        self.pad_id, self.sep_id = text["pad_id"], text["sep_id"]
        self._engine = engine
        self._takes_pairs = len(engine.text_inputs) == 2
        self._kind = text["kind"]
        self._json = manifest.source_tokenizer or manifest.tokenizer
        self._graph_room = engine.max_tokens - self.template.num_special(is_pair=self._takes_pairs)
        self._before, self._between, self._behind = self._special_places()

    def _special_places(self) -> tuple[int, tuple[int, ...], int]:
        """Return how many special tokens stand before the texts of the graph, which between, and how many behind."""
        slots = self.template.slots(is_pair=self._takes_pairs)
        first, *others = [place for place, slot in enumerate(slots) if slot.text is not None]
        last = others[0] if others else first
        return first, tuple(slot.token_id for slot in slots[first + 1 : last]), len(slots) - last - 1

    def encode_ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the int32 ids of each text, without special tokens and without truncation."""
        return [reading.token_ids for reading in self._read(texts, None)]

    def token(self, id: int) -> str:
        """Return the piece behind an id; ValueError for an id outside the vocabulary."""
        if id not in self._pieces:
            raise ValueError(f"id must be from 0 to {len(self._pieces) - 1}, got {id}.")
        return self._pieces[id]

    @cached_property
    def _pieces(self) -> dict[int, str]:
        """Read when somebody asks for one: answers need no vocabulary."""
        try:
            content = json.loads(self._json)
            pieces = {number: piece for piece, number in content["model"]["vocab"].items()}
            return pieces | {token["id"]: token["content"] for token in content["added_tokens"]}
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
            raise ArtifactError("the tokenizer.json in the file has no vocabulary") from error

    def _read(self, texts: Sequence[str], limit: int | None) -> list[Reading]:
        return [self._read_text(text, limit) for text in well_formed(texts)]

    def _read_pairs(self, texts: Sequence[str], pairs: Sequence[str], limit: int | None) -> list[tuple[Reading, ...]]:
        both = zip(well_formed(texts), well_formed(pairs), strict=True)
        return [self._read_pair(text, pair, limit) for text, pair in both]

    def _read_pair(self, text: str, pair: str, limit: int | None) -> tuple[Reading, ...]:
        if found := self._read_together(text, pair, limit):
            return found
        one, other = self._read_text(text, limit), self._read_text(pair, limit)
        if limit is not None and limit % 2 and min(one.length, other.length) > limit:
            # The longer one gets the odd token, so that it has to be known.
            one, other = self._read_text(text, None), self._read_text(pair, None)
        return one, other

    def _read_together(self, text: str, pair: str, limit: int | None) -> tuple[Reading, ...]:
        """Return what one run makes of a pair, nothing where the graph sees or tells less than all of it."""
        given = text.encode(), pair.encode()
        if not (self._takes_pairs and self._between) or max(map(len, given)) > self._engine.budgets[-1]:
            return ()
        if any(one.endswith(b"\0") for one in given):
            return ()
        found = self._engine.tokenize(given)
        if found["is_cut"][0, 0] and limit != self._graph_room:
            return ()
        tokens = self._body(found)
        # No text has a special token's id: the first one is behind the first text.
        (specials,) = np.nonzero(tokens.token_ids == self._between[0])
        if not len(specials):
            return ()
        first = int(specials[0])
        parts = tokens.part(0, first), tokens.part(first + len(self._between), len(tokens.token_ids))
        return tuple(_reading(content, [part], 0) for content, part in zip(given, parts, strict=True))

    def _body(self, found: dict[str, np.ndarray]) -> _Tokens:
        """Return the tokens from the first text's on, and of a pair the special tokens between the two."""
        rows = slice(self._before, int(found["lengths"][0, 0]) - self._behind)
        return _Tokens(found["token_ids"][0, rows], found["begins"][0, rows], found["ends"][0, rows])

    def _read_text(self, text: str, limit: int | None) -> Reading:
        """Read pieces, as far as `limit` tokens need it."""
        content = text.encode()
        parts: list[_Tokens] = []
        start = count = 0
        while True:
            piece = self._piece(content, start)
            tokens, is_cut = self._tokens(piece, is_first=start == 0)
            is_last = start + len(piece) == len(content)
            known = len(piece) if is_last else self._break_in(piece)
            exact = int(np.searchsorted(tokens.ends, known, side="right"))
            has_more = is_cut and exact == len(tokens.ends)
            if (is_last and not (is_cut and piece)) or (limit is not None and count + exact + has_more > limit):
                parts.append(_moved(tokens.part(0, exact), start))
                return _reading(content, parts, int(has_more))
            # Go on behind the last word that is whole among the tokens that the graph answers; of the character of the
            # last one there may be more.
            seen = piece[: int(tokens.begins[-1])] if is_cut and len(tokens.begins) else piece
            stop = self._break_in(seen) or len(seen) or len(piece)
            whole = tokens.part(0, int(np.searchsorted(tokens.ends, stop, side="right")))
            parts.append(_moved(whole, start))
            count += len(whole.ends)
            start += stop

    def _piece(self, content: bytes, start: int) -> bytes:
        """Return the bytes from `start` on that fit into the graph, whole characters."""
        stop = start + self._engine.budgets[-1] - len(_FRONT) - len(_END)
        if stop >= len(content):
            return content[start:]
        while content[stop] & 0xC0 == 0x80:
            stop -= 1
        return content[start:stop]

    def _break_in(self, piece: bytes) -> int:
        text = piece.decode()
        return len(text[: last_break(text, self._kind)].encode())

    def _tokens(self, piece: bytes, *, is_first: bool) -> tuple[_Tokens, bool]:
        """Return the tokens of a piece, and whether it has more."""
        front = b"" if is_first or self._kind != "byte_pair" else _FRONT
        end = _END if self._kind == "byte_pair" and piece.endswith(b"\0") else b""
        found = self._engine.tokenize([front + piece + end, b""] if self._takes_pairs else [front + piece + end])
        tokens = self._body(found)
        first, last = 0, len(tokens.ends) - len(self._between)
        tokens = tokens.part(first, last)
        if front:
            first = int(np.searchsorted(tokens.ends, len(front), side="right"))
        is_cut = bool(found["is_cut"][0, 0])
        if end:
            last = int(np.searchsorted(tokens.ends, len(front) + len(piece), side="right"))
            is_cut = is_cut and last == len(tokens.ends)
        return _moved(tokens.part(first, last), -len(front)), is_cut


def _moved(tokens: _Tokens, by: int) -> _Tokens:
    return _Tokens(tokens.token_ids, tokens.begins + by, tokens.ends + by) if by else tokens


def _reading(content: bytes, parts: list[_Tokens], more: int) -> Reading:
    """Return tokens with their characters in place of their bytes."""
    tokens = parts[0] if len(parts) == 1 else _Tokens(*map(np.concatenate, zip(*parts, strict=True)))
    offsets = np.empty((len(tokens.token_ids), 2), np.int32)
    offsets[:, 0], offsets[:, 1] = tokens.begins, tokens.ends
    if not content.isascii():
        is_first = np.frombuffer(content, np.uint8) & 0xC0 != 0x80
        characters = np.zeros(len(content) + 1, np.int32)
        np.cumsum(is_first, out=characters[1:])
        offsets = characters.take(offsets, mode="clip")
    return Reading(tokens.token_ids, offsets, len(tokens.token_ids) + more)
