"""The decoder of a tokenizer as tables, for whoever has no `tokenizers` library."""

from __future__ import annotations

import json
import re
from typing import Any

from kerastx.errors import DataError
from kerastx.text.byte_pair_tables import byte_characters
from kerastx.text.detokenizer import BLANK
from kerastx.text.tokenizer import Tokenizer

# What the library's WordPiece decoder replaces in each piece, in this order.
_CLEANUP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" do not", " don't"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)
_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")


def detokenizer_tables(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the entry `detokenizer` of a manifest, see `kerastx.artifact.Manifest`.

    Raises:
        DataError: the decoder of the tokenizer has no such form.
    """
    content = json.loads(tokenizer.to_json())
    special = {token["content"] for token in content["added_tokens"] if token["special"]}
    pieces = [tokenizer.token(number) for number in range(tokenizer.vocabulary_size)]
    return {
        **_joined(content["decoder"], [None if piece in special else piece for piece in pieces]),
        "begin_ids": list(tokenizer.begin_ids),
        "end_ids": list(tokenizer.end_ids),
        "special_ids": list(tokenizer.special_ids),
    }


def _joined(decoder: dict[str, Any], pieces: list[str | None]) -> dict[str, Any]:
    steps = decoder["decoders"] if decoder["type"] == "Sequence" else [decoder]
    kinds = [step["type"] for step in steps]
    while kinds[:1] == ["Replace"] and len(kinds) > 1:
        pieces = _replaced(steps.pop(0), pieces)
        kinds.pop(0)
    if kinds == ["ByteLevel"]:
        return {"kind": "bytes", "tokens": _byte_strings(pieces)}
    if kinds == ["WordPiece"]:
        cleanup = [list(pair) for pair in _CLEANUP] if steps[0]["cleanup"] else []
        return {"kind": "wordpiece", "tokens": pieces, "prefix": steps[0]["prefix"], "cleanup": cleanup}
    if kinds == ["Metaspace"]:
        return _marked_pieces(steps[0], pieces)
    if kinds == ["ByteFallback", "Fuse", "Strip"] and _strips_a_blank(steps[2]):
        return {"kind": "pieces", "tokens": pieces, "bytes": _byte_ids(pieces), "leading": "text"}
    if kinds == ["ByteFallback", "Fuse"]:
        return {"kind": "pieces", "tokens": pieces, "bytes": _byte_ids(pieces), "leading": "none"}
    raise DataError(f"expected a decoder of bytes, words or pieces, got {' and '.join(kinds)}")


def _replaced(step: dict[str, Any], pieces: list[str | None]) -> list[str | None]:
    old = step["pattern"].get("String")
    if not old:
        raise DataError(f"expected a decoder that replaces strings, got one that replaces {step['pattern']}")
    return [piece and piece.replace(old, step["content"]) for piece in pieces]


def _strips_a_blank(step: dict[str, Any]) -> bool:
    return (step["content"], step["start"], step["stop"]) == (BLANK, 1, 0)


def _byte_strings(pieces: list[str | None]) -> list[str | None]:
    """Return the bytes of pieces, a character for each; what byte-level BPE did not write is its own UTF-8."""
    byte_of = {character: chr(byte) for byte, character in enumerate(byte_characters())}
    found: list[str | None] = []
    for piece in pieces:
        if piece is None:
            found.append(None)
        elif all(character in byte_of for character in piece):
            found.append("".join(byte_of[character] for character in piece))
        else:
            found.append(piece.encode().decode("latin-1"))
    return found


def _marked_pieces(step: dict[str, Any], pieces: list[str | None]) -> dict[str, Any]:
    drops = step["prepend_scheme"] != "never"
    if drops and any(piece and BLANK in piece for piece in pieces):
        raise DataError(f"expected a decoder of pieces that write blanks as {step['replacement']!r}, got others too")
    tokens = [piece and piece.replace(step["replacement"], BLANK) for piece in pieces]
    return {"kind": "pieces", "tokens": tokens, "bytes": [], "leading": "token" if drops else "none"}


def _byte_ids(pieces: list[str | None]) -> list[int]:
    """Return the tokens of the 256 bytes, in order; [] where there are none."""
    found = {
        int(match[1], 16): number for number, piece in enumerate(pieces) if piece and (match := _BYTE.fullmatch(piece))
    }
    if found and len(found) < 256:
        raise DataError(f"expected a token for every byte, got {len(found)}")
    return [found[byte] for byte in sorted(found)]
