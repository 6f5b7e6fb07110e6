"""A text that is cut at a break has the tokens of its parts, by every character of Unicode."""

from __future__ import annotations

import re

import numpy as np
import pytest
from graph_tokenizers import KINDS, library_tokenizer

from kerastx.text.byte_pair_tables import BLANK, LETTER, NUMBER, OTHER, _class_tables
from kerastx.text.unicode_units import ALONE, CODE_POINTS, REMOVED, SPACE, unicode_units
from kerastx.text.word_breaks import _BLANKS, _MARKS, WORD_BREAKS, last_break

EVERY = [chr(code) for code in range(CODE_POINTS) if not 0xD800 <= code < 0xE000]


@pytest.mark.parametrize("kind", ["wordpiece", "wordpiece-cased"])
def test_a_wordpiece_ends_every_word_at_these_characters(kind):
    pattern = WORD_BREAKS["wordpiece" if kind == "wordpiece-cased" else "wordpiece_ideographs"]
    kinds = unicode_units(library_tokenizer(kind).backend).kinds
    ending = [ord(character) for character in EVERY if pattern.fullmatch(character)]
    assert len(ending) > 100
    assert np.isin(kinds[ending, 0], (ALONE, SPACE)).all()
    assert np.isin(kinds[ending, -1], (ALONE, SPACE, REMOVED)).all()


@pytest.mark.parametrize(
    ("pattern", "classes"),
    [
        (f"[{_MARKS}]", (OTHER,)),
        (f"[{_BLANKS} ]", (BLANK,)),
        (r"[^\W_]", (LETTER, NUMBER)),
        (r"[^\S\x1c-\x1f]", (BLANK,)),
    ],
)
def test_byte_pairs_have_the_same_classes_of_characters(pattern, classes):
    pages, table = _class_tables()
    codes = np.array([ord(character) for character in EVERY if re.fullmatch(pattern, character)])
    assert len(codes) > 10
    wrong = codes[~np.isin(table[pages[codes // 256], codes % 256], classes)]
    assert not len(wrong), [f"U+{code:04X}" for code in wrong]


def test_every_blank_to_the_tokenizer_is_one_to_python():
    pages, table = _class_tables()
    codes = np.array([ord(character) for character in EVERY if not character.isspace()])
    assert (table[pages[codes // 256], codes % 256] != BLANK).all()


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("the old film", "wordpiece", "the old "),
        ("the old film", "byte_pair", "the old"),
        ("the old film ", "byte_pair", "the old"),
        ("the  old", "byte_pair", "the "),
        ("the\nold", "byte_pair", "the\n"),
        ("今天天气", "wordpiece_ideographs", "今天天气"),
        ("今天天气", "wordpiece", ""),
        ("今天，天气", "byte_pair", "今天，"),
        ("it's", "byte_pair", "it"),
        ("'s", "byte_pair", ""),
        ("word", "wordpiece", ""),
        ("", "wordpiece", ""),
    ],
)
def test_the_last_break(text, kind, expected):
    assert text[: last_break(text, kind)] == expected


@pytest.mark.parametrize("name", KINDS)
def test_parts_have_the_tokens_of_the_whole(name):
    tokenizer = library_tokenizer(name)
    kind = {"wordpiece": "wordpiece_ideographs", "wordpiece-cased": "wordpiece"}.get(name, "byte_pair")
    text = "don't re-do  this,\n\nok? 今天天气很好，我们去公园。the naïve\u3000café's x_y ''ll (1,234.5)! end"
    whole = tokenizer.encode_ids([text])[0].tolist()
    places = {last_break(text[:stop], kind) for stop in range(len(text))}
    assert len(places) > 20
    for place in places - {0}:
        front = "" if kind != "byte_pair" else "\n"
        skipped = len(tokenizer.encode_ids([front])[0]) if front else 0
        before, behind = tokenizer.encode_ids([text[:place], front + text[place:]])
        assert before.tolist() + behind.tolist()[skipped:] == whole, text[:place]
