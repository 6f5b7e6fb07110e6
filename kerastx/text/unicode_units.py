"""What a tokenizer makes of each character of Unicode, asked of the tokenizer itself."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import tokenizers

from kerastx.text.unicode_cache import Layout, remembered

REMOVED, LETTER, ALONE, SPACE = range(4)
CODE_POINTS = 0x110000
PAGE = 256
# Stands between the characters that are asked about together. Letters of ASCII are left alone by every step but
# lower-casing, and nothing else becomes this one.
_BETWEEN = "x"
_LAYOUTS = {
    "characters": Layout(np.int32, (CODE_POINTS, None), below=CODE_POINTS),
    "kinds": Layout(np.int8, (CODE_POINTS, None), below=SPACE + 1),
}


@dataclass(frozen=True, eq=False)
class UnicodeUnits:
    """The units of every code point: the characters that it is normalised to, and how words are cut there.

    Attributes:
        characters: int32 (0x110000, W), code points; 0 behind the last unit.
        kinds: int8 (0x110000, W): LETTER is part of a word, ALONE a word by itself, SPACE between words; REMOVED
            behind the last unit.
    """

    characters: np.ndarray
    kinds: np.ndarray


def unicode_units(backend: tokenizers.Tokenizer) -> UnicodeUnits:
    """Ask the normalizer and pre-tokenizer of a WordPiece tokenizer about every code point, once for all processes."""
    content = json.loads(backend.to_str())
    return _unicode_units(json.dumps(content["normalizer"]), json.dumps(content["pre_tokenizer"]))


@functools.lru_cache(maxsize=4)
def _unicode_units(normalizer: str, pre_tokenizer: str) -> UnicodeUnits:
    question = {"normalizer": normalizer, "pre_tokenizer": pre_tokenizer}
    return UnicodeUnits(**remembered(question, _LAYOUTS, lambda: _asked(normalizer, pre_tokenizer)))


def _asked(normalizer: str, pre_tokenizer: str) -> dict[str, np.ndarray]:
    model = {"type": "WordPiece", "unk_token": "u", "continuing_subword_prefix": "##", "vocab": {"u": 0}}
    content: dict[str, Any] = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": []}
    content |= {"normalizer": json.loads(normalizer), "pre_tokenizer": json.loads(pre_tokenizer)}
    content |= {"post_processor": None, "decoder": None, "model": {**model, "max_input_chars_per_word": 100}}
    backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    characters = _normalised(backend)
    kinds = _kinds(backend, characters)
    _join_spaces(characters, kinds)
    return {"characters": characters, "kinds": kinds}


def _normalised(backend: tokenizers.Tokenizer) -> np.ndarray:
    """Return what each code point becomes, int32 (0x110000, W); a page of them is asked for at once."""
    normalise = (lambda text: text) if backend.normalizer is None else backend.normalizer.normalize_str
    characters = np.zeros((CODE_POINTS, 1), np.int32)
    for first in range(0, CODE_POINTS, PAGE):
        codes = [code for code in range(first, first + PAGE) if not 0xD800 <= code < 0xE000]
        parts = normalise(_BETWEEN.join(map(chr, codes))).split(_BETWEEN)
        if len(parts) != len(codes):  # one of the codes becomes x itself
            parts = [normalise(chr(code)) for code in codes]
        width = max(map(len, parts), default=0)
        if not width:  # surrogates, or all of them are removed
            continue
        if width > characters.shape[1]:
            characters = np.pad(characters, ((0, 0), (0, width - characters.shape[1])))
        text = "".join(part.ljust(width, "\0") for part in parts)
        characters[codes, :width] = np.frombuffer(text.encode("utf-32-le"), np.int32).reshape(-1, width)
    return characters


def _join_spaces(characters: np.ndarray, kinds: np.ndarray) -> None:
    """Turn the three units of an ideograph, which is normalised to itself between two spaces, into one."""
    if characters.shape[1] < 3:
        return
    spaced = (kinds[:, 0] == SPACE) & np.isin(kinds[:, 1], (LETTER, ALONE)) & (kinds[:, 2] == SPACE)
    characters[spaced, 0] = characters[spaced, 1]
    characters[spaced, 1:] = 0
    kinds[spaced, 0], kinds[spaced, 1:] = ALONE, REMOVED


def _kinds(backend: tokenizers.Tokenizer, characters: np.ndarray) -> np.ndarray:
    """Return how words are cut at each character, by what happens to it between two letters."""
    used = np.unique(characters[characters > 0])
    kinds = np.zeros(CODE_POINTS, np.int8)
    for start in range(0, len(used), PAGE):
        codes = used[start : start + PAGE]
        text = _BETWEEN + "".join(chr(code) + _BETWEEN for code in codes)
        place_kinds = np.full(len(text), SPACE, np.int8)
        for _, (begin, end) in backend.pre_tokenizer.pre_tokenize_str(text):
            place_kinds[begin:end] = ALONE if end - begin == 1 else LETTER
        kinds[codes] = place_kinds[1::2]
    return kinds[characters]
