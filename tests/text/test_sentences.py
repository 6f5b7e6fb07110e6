from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerastx.text.sentences import sentence_ends, split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["It rained.", "We stayed in!", "Why not?", "Who knows..."],
        ["Mr. Smith met Dr. J. R. Brown at St. Mary's, i.e. the church.", "They talked."],
        ["The U.S. Army paid 3.14 million in fig. 2 of No. 5.", "It was a lot."],
        ["He left at 5 p.m. and came back.", "She left at 6 p.m.", "Nobody came back."],
        ['"What?" he asked.', '"Nothing."', "He slept."],
        ["(This is one.)", "[And two!]", "“Three.”", "Four."],
        ["It was I.", "Then he said no.", "Then yes."],
        ["1. First the list.", "2. Then the rest."],
        ["See www.example.com for v1.2.", "Or do not."],
        ["Wait... what is it?!", "It is all."],
        ["今天下雨。", "我们在家！", "为什么？", "他说：“不知道。”", "好"],
        ["On Jan. 5 it was cold.", "Not on Feb. 6."],
        ["no end at all"],
        ["known as the lobster , is a species .", "It is related to H. americanus ."],
    ],
)
def test_sentences(sentences):
    separator = "" if sentences[0][0] > "\u2e80" else " "
    assert split_sentences(separator.join(sentences)) == sentences


def test_a_lower_case_letter_goes_on():
    assert split_sentences("He came etc. and so on. then more! and more") == [
        "He came etc. and so on. then more! and more"
    ]


def test_a_search_can_start_late():
    text = "One. Two. Three."
    assert sentence_ends(text) == [4, 9, 16]
    assert sentence_ends(text, 5) == [9, 16]


def test_an_abbreviation_is_seen_before_the_start_of_the_search():
    assert sentence_ends("He met Mr. Smith.", 9) == [17]


@pytest.mark.parametrize("text", ["", "   ", "\n\n"])
def test_nothing(text):
    assert split_sentences(text) == []


@given(st.text(alphabet=st.sampled_from(list("aB .!?\"')“”。！1\n…")), max_size=60))
def test_no_character_is_lost_and_ends_ascend(text):
    ends = sentence_ends(text)
    assert ends == sorted(set(ends))
    assert all(0 < end <= len(text) for end in ends)
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())
