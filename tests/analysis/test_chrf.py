from __future__ import annotations

import pytest

from kerastx.analysis.chrf import corpus_chrf


def test_by_hand():
    # "ab" of "abc": characters 2 of 2 and 2 of 3, pairs 1 of 1 and 1 of 2, longer ones are in no text.
    precision, recall = 1.0, (2 / 3 + 1 / 2) / 2
    assert corpus_chrf(["a b"], ["abc"]) == pytest.approx(100 * 5 * precision * recall / (4 * precision + recall))
    assert corpus_chrf(["abc"], ["xyz"]) == 0.0
    assert corpus_chrf(["", "Ein Hund."], ["", "Ein Hund."]) == pytest.approx(100)


def test_a_reference_for_each_text_is_needed():
    with pytest.raises(ValueError, match="expected a reference for each text, got 1 and 2"):
        corpus_chrf(["a"], ["a", "b"])
