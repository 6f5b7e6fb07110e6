"""A byte-level BPE tokenizer as tables of whole numbers, for a model that reads bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import pre_tokenizers

from kerastx.errors import DataError
from kerastx.text.graph_tables import check_added_tokens, small
from kerastx.text.tokenizer import Tokenizer
from kerastx.text.unicode_cache import Layout, remembered
from kerastx.text.unicode_units import CODE_POINTS, PAGE

OTHER, LETTER, NUMBER, BLANK = range(4)
# Each character class is known by what it goes on with, in the pattern of GPT-2 (Radford et al., 2019).
_KEPT_WITH = {LETTER: "a", NUMBER: "1", OTHER: "!"}


@dataclass(frozen=True, eq=False)
class BytePairTables:
    """What `kerastx.layers.byte_pair.BytePair` looks up.

    Attributes:
        pages: (4352,), classes: (P, 256): the class of a code point c is classes[pages[c // 256], c % 256].
        symbols: (256,), the token of each byte.
        rows: (V + 1,), slots: (S,), firsts, merged: (M + 1,), of M merges: the pair of tokens a, b becomes the token
            merged[m], as the merge m of 1 to M, if firsts[m] == a, with m = slots[rows[a] + b]. The token V stands for
            no token: it merges with none.
        leading, trailing: (V,), blanks at both ends of a token, which its offsets leave out.
        has_prefix: a blank is put before a text that does not begin with one.
    """

    pages: np.ndarray
    classes: np.ndarray
    symbols: np.ndarray
    rows: np.ndarray
    slots: np.ndarray
    firsts: np.ndarray
    merged: np.ndarray
    leading: np.ndarray
    trailing: np.ndarray
    has_prefix: bool

    @property
    def size_bytes(self) -> int:
        """Of the arrays, as they stand in a file."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> BytePairTables:
        """Build the tables of a tokenizer.

        Raises:
            DataError: it is not a byte-level BPE with the pattern of GPT-2, or two merges give the same token.
        """
        content = json.loads(tokenizer.to_json())
        _check(content)
        vocabulary = content["model"]["vocab"]
        merges = [tuple(merge.split(" ")) if isinstance(merge, str) else merge for merge in content["model"]["merges"]]
        if len({first + second for first, second in merges}) < len(merges):
            raise DataError("expected each token of a byte-level BPE tokenizer to be made by one merge, got several")
        size = tokenizer.vocabulary_size
        pages, classes = _class_tables()
        trims = _trims(content)
        blanks = _blanks_at_ends(tokenizer, size) if trims else np.zeros((2, size), np.int32)
        return cls(
            pages=pages,
            classes=classes,
            symbols=small(np.array([vocabulary[character] for character in byte_characters()])),
            **_pair_tables([(vocabulary[a], vocabulary[b], vocabulary[a + b]) for a, b in merges], size),
            leading=small(blanks[0]),
            trailing=small(blanks[1]),
            has_prefix=bool(content["pre_tokenizer"]["add_prefix_space"]),
        )


def _check(content: dict[str, Any]) -> None:
    kinds = [(content[part] or {}).get("type") for part in ("model", "normalizer", "pre_tokenizer")]
    if kinds != ["BPE", None, "ByteLevel"] or not content["pre_tokenizer"].get("use_regex", True):
        raise DataError(f"expected a byte-level BPE tokenizer with the pattern of GPT-2 and no normalizer, got {kinds}")
    if content["model"].get("ignore_merges"):
        raise DataError("expected a byte-level BPE tokenizer that merges, got one that looks whole words up first")
    check_added_tokens(content)


def _trims(content: dict[str, Any]) -> bool:
    """Return whether the blanks at the ends of a token are left out of its offsets."""
    whole = content["post_processor"] or {}
    steps = [whole, *whole.get("processors", [])]
    trimming = [step for step in steps if step.get("trim_offsets")]
    prefix = content["pre_tokenizer"]["add_prefix_space"]
    if any(step.get("add_prefix_space", prefix) != prefix for step in trimming):
        raise DataError("expected a byte-level BPE tokenizer that trims offsets as it cuts, got add_prefix_space twice")
    return bool(trimming)


def byte_characters() -> list[str]:
    """Return the letter that byte-level BPE writes for each byte: itself if it can be seen, else one from 256 on."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = iter(range(256, 512))
    return [chr(byte) if byte in seen else chr(next(hidden)) for byte in range(256)]


def _blanks_at_ends(tokenizer: Tokenizer, size: int) -> np.ndarray:
    blank = byte_characters()[ord(" ")]
    tokens = [tokenizer.token(number) for number in range(size)]
    return np.array([[len(token) - len(strip(token, blank)) for token in tokens] for strip in (str.lstrip, str.rstrip)])


def _pair_tables(merges: Sequence[tuple[int, int, int]], size: int) -> dict[str, np.ndarray]:
    """Lay the rows of the sparse table (a, b) -> merge over each other, where they do not meet."""
    rows: dict[int, dict[int, int]] = {}
    for number, (first, second, _) in enumerate(merges, 1):
        rows.setdefault(first, {})[second] = number
    used = bytearray(2 * size + 2)
    begins = np.zeros(size + 1, np.int32)
    lowest: dict[int, int] = {}  # by the number of entries: below it a row was tried in vain
    for first in sorted(rows, key=lambda first: -len(rows[first])):
        columns = sorted(rows[first])
        place = max(lowest.get(len(columns), 0), columns[0])
        while True:
            place = used.find(0, place)
            if place < 0 or place + size >= len(used):
                place = len(used) if place < 0 else place
                used.extend(bytes(len(used)))
            if not any(used[place - columns[0] + column] for column in columns):
                break
            place += 1
        lowest[len(columns)] = place
        begins[first] = place - columns[0]
        for column in columns:
            used[begins[first] + column] = 1
    slots = np.zeros(int(begins.max()) + size + 1, np.int32)
    for first, row in rows.items():
        slots[begins[first] + np.array(list(row))] = list(row.values())
    # The merge 0 is none: no token comes first in it.
    firsts, merged = np.array([(size + 1, 0), *((first, token) for first, _, token in merges)]).T
    return {"rows": small(begins), "slots": small(slots), "firsts": small(firsts), "merged": small(merged)}


@functools.cache
def _class_tables() -> tuple[np.ndarray, np.ndarray]:
    """Lay out the class of every code point in pages."""
    pattern = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=True)
    layouts = {"classes": Layout(np.int8, (CODE_POINTS,), below=BLANK + 1)}
    classes = remembered({"classes": str(pattern)}, layouts, lambda: {"classes": _classes(pattern)})["classes"]
    table, pages = np.unique(classes.reshape(-1, PAGE), axis=0, return_inverse=True)
    return small(pages.ravel()), table


def _classes(pattern: pre_tokenizers.ByteLevel) -> np.ndarray:
    """Ask the pre-tokenizer for the class of every code point, int8 (0x110000,)."""
    classes = np.full(CODE_POINTS, BLANK, np.int8)
    for first in range(0, CODE_POINTS, PAGE):
        codes = [code for code in range(first, first + PAGE) if not 0xD800 <= code < 0xE000]
        for kind, before in _KEPT_WITH.items():
            text = "".join(f" {before}{chr(code)}" for code in codes)
            for _, (begin, end) in pattern.pre_tokenize_str(text):
                # A piece that reaches over the character, which stands third of three.
                reached = [place for place in range(begin + 1, end) if place % 3 == 2]
                for place in reached:
                    classes[codes[place // 3]] = kind
    return classes
