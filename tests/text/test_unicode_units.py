"""Every character becomes the units that the tokenizer makes of it, and words are cut where it cuts them."""

from __future__ import annotations

import random

import pytest
from text_backends import wordpiece_backend
from tokenizers import normalizers, pre_tokenizers

from kerastx.text.unicode_units import ALONE, CODE_POINTS, LETTER, REMOVED, SPACE, unicode_units


def cased_backend():
    backend = wordpiece_backend()
    backend.normalizer = normalizers.BertNormalizer(lowercase=False, handle_chinese_chars=False, strip_accents=False)
    return backend


def units_of(known, character):
    found = zip(known.characters[ord(character)], known.kinds[ord(character)], strict=True)
    return [(chr(code), kind) for code, kind in found if kind != REMOVED]


def words_of(known, text):
    """Cut a text by the units of its characters."""
    words, is_open = [], False
    for one, kind in (unit for character in text for unit in units_of(known, character)):
        if kind == LETTER and is_open:
            words[-1] += one
        elif kind != SPACE:
            words.append(one)
        is_open = kind == LETTER
    return words


def test_what_becomes_of_a_character():
    known = unicode_units(wordpiece_backend())
    expected = {
        "a": [("a", LETTER)],
        "É": [("e", LETTER)],
        ",": [(",", ALONE)],
        "好": [("好", ALONE)],
        "\t": [(" ", SPACE)],
        "\u200b": [],
        "\0": [],
        "한": [("ᄒ", LETTER), ("ᅡ", LETTER), ("ᆫ", LETTER)],
        "x": [("x", LETTER)],  # stands between the characters that are asked about
        "X": [("x", LETTER)],
    }
    for character, units in expected.items():
        assert units_of(known, character) == units


def test_a_cased_tokenizer_keeps_case_and_accents():
    known = unicode_units(cased_backend())
    assert [units_of(known, one) for one in "AÉé"] == [[("A", LETTER)], [("É", LETTER)], [("é", LETTER)]]


def test_ideographs_are_parts_of_words_where_they_are_not_handled():
    assert units_of(unicode_units(cased_backend()), "好") == [("好", LETTER)]


def test_without_a_normalizer_characters_stay_as_they_are_and_are_cut_as_the_pre_tokenizer_cuts():
    backend = wordpiece_backend()
    backend.normalizer, backend.pre_tokenizer = None, pre_tokenizers.WhitespaceSplit()
    known = unicode_units(backend)
    for character in "AÉ好,\u200b":
        assert units_of(known, character) == [(character, LETTER)]
    assert units_of(known, "\t") == [("\t", SPACE)]


def test_arrays_are_those_that_are_promised():
    known = unicode_units(wordpiece_backend())
    assert (known.characters.dtype, known.kinds.dtype) == ("int32", "int8")
    assert known.characters.shape == known.kinds.shape
    assert len(known.kinds) == CODE_POINTS
    assert ((known.characters == 0) == (known.kinds == REMOVED)).all()
    # Nothing stands behind the last unit.
    assert ((known.kinds[:, :-1] != REMOVED) | (known.kinds[:, 1:] == REMOVED)).all()
    assert not known.characters[0xD800:0xE000].any()  # surrogates are no characters


@pytest.mark.parametrize("make", [wordpiece_backend, cased_backend])
def test_texts_are_cut_as_the_tokenizer_cuts_them(make):
    backend = make()
    known, pick = unicode_units(backend), random.Random(4)
    codes = [code for code in range(1, 0x3100) if code != 0x345]  # it is sorted among accents when it is lower case
    for _ in range(400):
        text = "".join(map(chr, pick.choices([*codes, *range(0x4E00, 0x4F00), *range(0x20, 0x7F)], k=12)))
        normalised = backend.normalizer.normalize_str(text)
        expected = [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normalised)]
        assert words_of(known, text) == expected, text
