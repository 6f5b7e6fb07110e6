from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.data import similar_texts
from kerastx.data.similar_texts import ALIKE, near_matches

LONG = "the quick brown fox jumps over the lazy dog while the old grey cat sleeps beside the warm kitchen stove all day"


def test_a_changed_word_is_found_and_a_changed_half_is_not():
    texts = [
        LONG,
        LONG.replace("stove", "hearth"),
        LONG[:55] + " and nobody in the whole village ever heard of it again",
    ]
    assert near_matches(texts) == {1: 0}


def test_texts_are_looked_for_in_the_references_only():
    queries = [LONG + " long", LONG + " long!", "something that is quite another matter altogether"]
    assert near_matches(queries, [queries[2][::-1], LONG]) == {0: 1, 1: 1}


def test_chinese_without_spaces():
    text = "上课时学生手机响个不停老师一怒之下把手机摔了家长拿发票让老师赔大家怎么看待这种事"
    assert near_matches([text, text + "情", text[::-1]]) == {1: 0}


def test_short_texts_are_never_alike():
    assert near_matches(["good film", "good films"]) == {}


@pytest.mark.parametrize("size", [40, 1 << 20])
def test_blocks_do_not_change_what_is_found(monkeypatch, size):
    monkeypatch.setattr(similar_texts, "_BLOCK_CHARACTERS", size)
    random = np.random.default_rng(3)
    texts = ["".join(random.choice(list("abcdefgh "), 60)) for _ in range(30)]
    changed = [text[:30] + "X" + text[31:] for text in texts]
    assert near_matches(changed, texts) == {row: row for row in range(30)}


def test_almost_every_pair_above_the_bound_is_found():
    random = np.random.default_rng(4)
    texts = ["".join(random.choice(list("abcdefghijklmnop "), 100)) for _ in range(300)]
    # 5 of 96 pieces are new: Jaccard 91 / 101 = 0.90.
    changed = [text[:50] + "#" + text[51:] for text in texts]
    assert len(near_matches(changed, texts)) >= 297


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=12, unique=True))
def test_any_text_can_be_compared_and_every_match_is_true(texts):
    for row, other in near_matches(texts).items():
        one, two = ({text[start : start + 5] for start in range(len(text) - 4)} for text in (texts[row], texts[other]))
        assert other < row
        assert len(one & two) / len(one | two) >= ALIKE
