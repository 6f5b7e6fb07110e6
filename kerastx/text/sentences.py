"""Rules that say where a sentence ends."""

from __future__ import annotations

import itertools
import re

_CLOSERS = "\"'”’»)\\]）」』】》"
_OPENERS = "\"'“‘«([（「『【《*_"
_BOUNDARY = re.compile(
    rf"(?P<cjk>[。！？｡]+[{_CLOSERS}]*)"  # Chinese and Japanese ends need no space after them
    rf"|(?P<mark>[.!?…]+)[{_CLOSERS}*_]*(?=\s|\Z)"
)
_NEXT = re.compile(rf"\s*[{re.escape(_OPENERS)}]*(\S?)")
_LAST_WORD = re.compile(r"[^\s(\[\"“‘—]*\Z")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof rev hon st sr jr gen col capt lt maj sgt cmdr gov sen rep pres messrs mme mlle "
    "mt ft vs viz cf etc ca approx dept univ assn inc ltd co corp bros est al ed eds trans vol vols "
    "fig figs eq sec chap ch pp op cit ibid e.g i.e jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
_BEFORE_NUMBER = frozenset("no nos p art nr".split())
_WINDOW = 40  # characters looked at before a full stop: longer than any abbreviation


def sentence_ends(text: str, start: int = 0, *, complete: bool = True) -> list[int]:
    """Return the offsets at which sentences of `text` end, in order.

    Args:
        text: running text that begins with a sentence.
        start: there is no end before this offset (it need not be searched again).
        complete: whether a line ends with the text; otherwise an end that what follows may undo is left out.
    """
    ends: list[int] = []
    for match in _BOUNDARY.finditer(text, start):
        following = _NEXT.match(text, match.end())
        next_character = following[1] if following else ""
        if not next_character and not complete:
            break
        if match["cjk"] is not None or _is_end(text, match, ends[-1] if ends else 0, next_character):
            ends.append(match.end())
    return ends


def split_sentences(text: str) -> list[str]:
    """Return the sentences of `text`, stripped; what follows the last end is a sentence too."""
    bounds = [0, *sentence_ends(text), len(text)]
    pieces = (text[begin:end].strip() for begin, end in itertools.pairwise(bounds))
    return [piece for piece in pieces if piece]


def _is_end(text: str, match: re.Match[str], begin: int, next_character: str) -> bool:
    if next_character.islower():
        return False
    if match["mark"] != ".":
        return True
    before = text[max(begin, match.start() - _WINDOW) : match.start()]
    tail = _LAST_WORD.search(before)
    word = tail[0] if tail else ""
    lowered = word.lower()
    if lowered in _ABBREVIATIONS or (lowered in _BEFORE_NUMBER and next_character.isdigit()):
        return False
    if len(word) == 1 and word.isalpha() and word != "I":  # an initial
        return False
    if _DOTTED.fullmatch(word):  # U.S. and J.R.R. go on, 5 p.m. may end
        return lowered in ("a.m", "p.m")
    # "3." at the start is the number of a list item
    return not (word.isdigit() and not before[: len(before) - len(word)].strip())
