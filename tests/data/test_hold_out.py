from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.data.hold_out import hold_out
from kerastx.data.labelled import LabelledData


def rows_of(data):
    return list(zip(data.texts, data.pairs or data.texts, data.labels, strict=True))


def test_the_lowest_hashes_are_held_in_the_order_of_the_rows():
    texts = [f"text {number} 漢" for number in range(50)]
    rest, held = hold_out(LabelledData.of_numbers(texts, range(50)), 0.2)
    lowest = set(sorted(texts, key=lambda text: hashlib.sha1(text.encode()).digest())[:10])
    assert held.texts == [text for text in texts if text in lowest]
    assert rest.texts == [text for text in texts if text not in lowest]
    assert held.targets[:, 0].tolist() == [texts.index(text) for text in held.texts]


def test_the_pair_and_the_salt_are_part_of_the_hash():
    pairs = [f"pair {number}" for number in range(40)]
    data = LabelledData.of(["same"] * 40, ["a", "b"] * 20, pairs=pairs)
    held = hold_out(data, 0.25, salt="x")[1]
    lowest = sorted(pairs, key=lambda pair: hashlib.sha1(f"xsame\t{pair}".encode()).digest())[:10]
    assert sorted(held.pairs) == sorted(lowest)
    assert held.label_names == ("a", "b")
    assert hold_out(data, 0.25)[1].pairs != held.pairs


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_share_leaves_both_sides_something(share):
    data = LabelledData.of(["a", "b"], ["x", "y"])
    with pytest.raises(ValueError, match="share must be between 0 and 1"):
        hold_out(data, share)
    assert [len(side) for side in hold_out(data, 0.001)] == [1, 1]
    assert [len(side) for side in hold_out(data, 0.999)] == [1, 1]


def test_one_text_cannot_be_split():
    with pytest.raises(ValueError, match="at least two different texts"):
        hold_out(LabelledData.of(["a", "a"], ["x", "y"]), 0.5)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(max_size=2), min_size=2, max_size=30).filter(lambda texts: len(set(texts)) > 1),
    share=st.floats(0.01, 0.99),
    salt=st.text(max_size=2),
    seed=st.integers(0, 99),
)
def test_the_split_depends_on_the_texts_alone(texts, share, salt, seed):
    data = LabelledData.of(texts, [str(len(text)) for text in texts])
    rest, held = hold_out(data, share, salt=salt)
    assert not set(rest.texts) & set(held.texts)
    assert sorted(rows_of(rest) + rows_of(held)) == sorted(rows_of(data))
    assert min(len(rest), len(held)) > 0
    other = hold_out(data.subset(np.random.default_rng(seed).permutation(len(data))), share, salt=salt)
    assert sorted(rows_of(other[1])) == sorted(rows_of(held))
