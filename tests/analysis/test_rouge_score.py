"""Our scores of summaries are rouge-score's, whatever the texts, as long as they are ASCII."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from kerastx.analysis.rouge import rouge

SCORER = RougeScorer(["rouge1", "rouge2", "rougeL"])
WORDS = st.sampled_from(["the", "The", "cat", "sat", "mat.", "3.5", "snake_case", "loss-scale", "it's", "(a)", "--"])
TEXTS = st.lists(WORDS, max_size=12).map(" ".join) | st.text(st.characters(max_codepoint=127), max_size=30)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_scores_of_ascii_texts(text, references):
    expected = {name: 100 * score.fmeasure for name, score in SCORER.score_multi(references, text).items()}
    assert rouge([text], [references]) == pytest.approx(expected, abs=1e-9)


def test_other_letters_are_letters():
    """To rouge-score "naïve" is "na" and "ve", and "β" nothing."""
    assert SCORER.score("na ve", "naïve")["rouge1"].fmeasure == 1
    assert rouge(["naïve"], ["na ve"])["rouge1"] == 0
    assert SCORER.score("β", "β")["rouge1"].fmeasure == 0
    assert rouge(["β"], ["β"])["rouge1"] == pytest.approx(100)
