"""What is a text, several, or neither."""

from __future__ import annotations

import pytest

from kerastx.runtime.texts import checked_pairs, checked_texts, is_one_text


def test_one_text_or_several():
    assert is_one_text("a", None)
    assert is_one_text("a", "")
    assert not is_one_text(["a"], ["b"])
    assert not is_one_text(["a"], "b")  # refused where the pairs are checked
    with pytest.raises(TypeError, match="expected a string as the pair of one text, got list"):
        is_one_text("a", ["b"])


def test_several_texts_are_a_list_of_strings():
    assert checked_texts(text for text in "ab") == ["a", "b"]
    assert checked_pairs(("a", "b")) == ["a", "b"]
    assert checked_pairs(None) is None
    for texts, reason in (("ab", "got str"), (b"ab", "got bytes"), (5, "got int")):
        with pytest.raises(TypeError, match=f"expected a string or several, {reason}"):
            checked_texts(texts)
    with pytest.raises(TypeError, match="text 1 must be a string, got int"):
        checked_texts(["a", 1])
    with pytest.raises(TypeError, match="pair 0 must be a string, got NoneType"):
        checked_pairs([None])
