"""Entities are scored as seqeval scores them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score

from kerastx.analysis.entity_scores import entity_scores, word_tags
from kerastx.data.tagged import TaggedData, TaggedSentence, joined
from kerastx.runtime.entities import TaggedUnits
from kerastx.text.tags import bio_tags, entities
from kerastx.text.units import unit_spans

TAGS = st.sampled_from(bio_tags(["A", "B"]))
SENTENCES = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=5)


@given(SENTENCES)
@settings(max_examples=150, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_as_seqeval(rows):
    expected = [[one for one, _ in row] for row in rows]
    found = [[other for _, other in row] for row in rows]
    data = TaggedData([TaggedSentence(("w",) * len(tags), tuple(tags), 1) for tags in expected], ("A", "B"))
    scores = entity_scores(data, found)
    anything = sum(len(entities(tags)) for tags in [*expected, *found])
    for name, metric in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert scores[name] == pytest.approx(metric(expected, found) if anything else 0.0)


def test_words_have_the_tag_of_the_unit_they_begin_in():
    sentence = TaggedSentence(("高", "P", "M", "I", "U"), ("O",) * 5, 1)
    text, _ = joined(sentence.words)
    assert text == "高PMIU"
    tags = bio_tags(["X"])
    units = TaggedUnits(unit_spans(text), np.array([0, 1]), np.ones(2))
    assert word_tags(sentence, units, tags) == ["O", "B-X", "I-X", "I-X", "I-X"]
    dotted = TaggedSentence(("U.S.", "is"), ("B-X", "O"), 1)
    units = TaggedUnits(unit_spans("U.S. is"), np.array([1, 2, 2, 2, 0]), np.ones(5))
    assert word_tags(dotted, units, tags) == ["B-X", "O"]


def test_a_word_that_no_tokenizer_reads_is_outside():
    sentence = TaggedSentence(("a", "b"), ("O", "O"), 1)
    assert word_tags(sentence, TaggedUnits([], np.zeros(0, int), np.zeros(0)), bio_tags(["X"])) == ["O", "O"]
