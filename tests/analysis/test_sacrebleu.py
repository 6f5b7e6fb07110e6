"""Our scores of translations are sacreBLEU's, whatever the texts."""

from __future__ import annotations

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.analysis.bleu import corpus_bleu
from kerastx.analysis.chrf import corpus_chrf

WORDS = st.sampled_from(
    [
        "the",
        "cat",
        "sat",
        "Sat",
        "mat.",
        "3.5",
        "1,000-fold",
        '"so"',
        "&quot;x&quot;",
        "über",
        "e\u0301",
        "猫",
        "😀",
        "a/b",
    ]
)
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_bleu_and_chrf_of_words(pairs):
    assert_equal(pairs)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=3))
def test_bleu_and_chrf_of_any_text(pairs):
    assert_equal(pairs)


def assert_equal(pairs: list[tuple[str, str]]) -> None:
    hypotheses, references = map(list, zip(*pairs, strict=True))
    # sacreBLEU strips nothing where it is asked to score as it stands; it reads lines, which hold no line ends.
    hypotheses, references = ([" ".join(text.split()) for text in texts] for texts in (hypotheses, references))
    bleu = sacrebleu.corpus_bleu(hypotheses, [references], force=True).score
    assert corpus_bleu(hypotheses, references) == pytest.approx(bleu, abs=1e-9)
    chrf = sacrebleu.corpus_chrf(hypotheses, [references]).score
    assert corpus_chrf(hypotheses, references) == pytest.approx(chrf, abs=1e-9)
