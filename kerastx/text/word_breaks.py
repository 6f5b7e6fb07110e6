"""Where a text can be cut so that its parts have the tokens of the whole, by its characters alone."""

from __future__ import annotations

import re

# Marks that are one to every version of Unicode since 6; the tests compare the rest with the tokenizers themselves.
_MARKS = (
    r"!-/:-@\[-`{-~\u2010-\u2015\u2018-\u201f\u2026\u3001-\u3003\u3008-\u3011\u3014-\u301b\uff01-\uff03\uff05-\uff0a"
    r"\uff0c-\uff0f\uff1a\uff1b\uff1f\uff20\uff3b-\uff3d\uff3f\uff5b\uff5d\uff5f-\uff65"
)
_IDEOGRAPHS = r"\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002a6df"
_BLANKS = r"\t\n\r\xa0\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Not the apostrophe: with the letters behind it, it may be a word.
_CLOSING = rf"(?:(?!')[{_MARKS}])"

# By the kind of a tokenizer; a word ends where a match does.
WORD_BREAKS = {
    "wordpiece": re.compile(rf"[ {_BLANKS}{_MARKS}]"),
    "wordpiece_ideographs": re.compile(rf"[ {_BLANKS}{_MARKS}{_IDEOGRAPHS}]"),
    # As the pattern of GPT-2 cuts (Radford et al., 2019), which takes one blank to the word behind it.
    "byte_pair": re.compile(rf"(?= \S)|{_CLOSING}(?=[^\W_])|[^\W_](?=[{_MARKS}])|[{_BLANKS}](?=\S)"),
}


def last_break(text: str, kind: str) -> int:
    """Return the last place of a text at which one of its words ends for certain, 0 where there is none.

    Args:
        text: a part of a longer one; it may end within a word.
        kind: of the tokenizer, a key of `WORD_BREAKS`.
    """
    last = 0
    for match in WORD_BREAKS[kind].finditer(text):
        last = match.end()
    return last
