"""The smallest pieces of a text that get a tag: words, single marks of punctuation, single ideographs."""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from collections.abc import Sequence

import numpy as np

# What BERT's tokenizer cuts apart as ideographs (Devlin et al., 2018, tokenization.py): CJK, no kana and no hangul.
_IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f"
_ASCII_SYMBOLS = "$+<=>^`|~"


@functools.cache
def _unit() -> re.Pattern[str]:
    marks = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith("P")]
    alone = "".join(map(re.escape, [*marks, *_ASCII_SYMBOLS])) + _IDEOGRAPHS
    return re.compile(f"[{alone}]|[^\\s{alone}]+")


def unit_spans(text: str) -> list[tuple[int, int]]:
    """Return the character ranges of the units of a text, in order; nothing but white space lies between them."""
    return [match.span() for match in _unit().finditer(text)]


def first_tokens(spans: Sequence[tuple[int, int]], offsets: np.ndarray) -> list[int | None]:
    """Return for each unit the number of the first token that lies in it, None where there is none.

    A unit has none when the text was cut before it, or when the tokenizer leaves it out, as control characters.

    Args:
        spans: of the units, in order.
        offsets: int (L, 2), character ranges of the tokens, in order; those of special tokens are empty.
    """
    found: list[int | None] = []
    token = 0
    for start, end in spans:
        while token < len(offsets) and (offsets[token][0] == offsets[token][1] or offsets[token][1] <= start):
            token += 1
        is_inside = token < len(offsets) and offsets[token][0] < end
        found.append(token if is_inside else None)
    return found
