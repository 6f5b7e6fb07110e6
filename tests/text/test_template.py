"""A template is a row of slots for one text, and another for a pair."""

from __future__ import annotations

import dataclasses

import pytest

from kerastx.text.template import Slot, Template

CLS, SEP, SECOND_SEP = Slot(None, 2, 0), Slot(None, 3, 0), Slot(None, 3, 1)
TEXT, PAIR = Slot(0, 0, 0), Slot(1, 0, 1)
BERT = Template(single=(CLS, TEXT, SEP), pair=(CLS, TEXT, SEP, PAIR, SECOND_SEP))


def test_slots_are_those_of_one_text_or_of_a_pair():
    assert BERT.slots(is_pair=False) == (CLS, TEXT, SEP)
    assert BERT.slots(is_pair=True) == (CLS, TEXT, SEP, PAIR, SECOND_SEP)


def test_special_tokens_are_counted_and_texts_are_not():
    assert BERT.num_special(is_pair=False) == 2
    assert BERT.num_special(is_pair=True) == 3
    assert Template(single=(TEXT,), pair=(TEXT, PAIR)).num_special(is_pair=True) == 0


def test_what_stands_before_one_text():
    assert BERT.before == (2,)
    assert Template(single=(SEP, CLS, TEXT, SEP), pair=()).before == (3, 2)
    assert Template(single=(TEXT, SEP), pair=()).before == ()


def test_the_first_text_is_no_special_token():
    """Its number is 0, which is as false as None."""
    assert Template(single=(TEXT, CLS), pair=()).num_special(is_pair=False) == 1


def test_a_special_token_may_have_the_id_0():
    start = Slot(None, 0, 0)
    assert Template(single=(start, TEXT), pair=()).num_special(is_pair=False) == 1


def test_templates_are_equal_by_their_slots_and_do_not_change():
    assert Template(single=BERT.single, pair=BERT.pair) == BERT
    assert Template(single=BERT.single, pair=BERT.single) != BERT
    assert list(CLS) == [None, 2, 0]  # as a manifest has it
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'single'"):
        BERT.single = ()
