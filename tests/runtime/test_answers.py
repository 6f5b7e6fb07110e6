"""From spans of windows to one answer: the best of all windows, exact slices, no answer, probabilities."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_backends import byte_bpe_backend, wordpiece_backend

from kerastx.runtime.answers import _Found, find_answers
from kerastx.text.question_windows import SpanSettings
from kerastx.text.tokenizer import Tokenizer

TOKENIZERS = [Tokenizer(wordpiece_backend()), Tokenizer(byte_bpe_backend())]
SIZES = {"max_length": 48}


def pointing_at(tokenizer, word, *, score=5.0, null=1.0, count=4):
    """A model that gives `score` to each span of this word alone, and random spans of little score."""

    def best_spans(encodings):
        random = np.random.default_rng(3)
        outputs = {
            "null_score": np.full((len(encodings), 1), null, np.float32),
            "scores": np.zeros((len(encodings), count), np.float32),
            "starts": np.zeros((len(encodings), count), np.int32),
            "ends": np.zeros((len(encodings), count), np.int32),
        }
        for row, encoding in enumerate(encodings):
            starts = np.sort(random.integers(0, len(encoding), count))
            outputs["starts"][row], outputs["ends"][row] = starts, np.minimum(starts + 2, len(encoding))
            outputs["scores"][row] = -np.arange(1, count + 1)
            for place, token in enumerate(encoding.tokens):
                if token.strip("Ġ") == word:
                    outputs["starts"][row, 0] = outputs["ends"][row, 0] = place
                    outputs["scores"][row, 0] = score
        return outputs

    return best_spans


def find(tokenizer, question, context, **choices):
    settings_ = choices.pop("settings", SpanSettings(stride=16))
    model = pointing_at(tokenizer, "things", **choices)
    return find_answers([question], [context], tokenizer, settings_, best_spans=model, **SIZES)[0]


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["wordpiece", "bpe"])
@pytest.mark.parametrize("before", [0, 3, 100, 1000])
def test_an_answer_anywhere_in_a_long_context(tokenizer, before):
    context = "the owner paid. " * before + "believable things are  paid " + "he said. " * 200
    answer = find(tokenizer, "paid?", context)
    assert (answer.text, answer.score) == ("things", 5.0)
    assert context[answer.start : answer.end] == "things"
    assert answer
    assert answer.no_answer_score is None


def test_several_questions_keep_their_contexts():
    contexts = ["things are paid", "the owner", "he said: believable things!"]
    found = find_answers(
        ["a", "b", "c"],
        contexts,
        TOKENIZERS[0],
        SpanSettings(),
        best_spans=pointing_at(TOKENIZERS[0], "things"),
        **SIZES,
    )
    assert [answer.text for answer in found][::2] == ["things", "things"]
    assert [answer.start for answer in found][::2] == [0, 20]
    assert find_answers([], [], TOKENIZERS[0], SpanSettings(), best_spans=None, **SIZES) == []


@given(st.text(max_size=60), st.text(max_size=20), st.sampled_from(TOKENIZERS), st.sampled_from([None, 0.0]))
@settings(max_examples=100, deadline=None)
def test_every_candidate_is_a_slice_of_the_context(context, question, tokenizer, threshold):
    answer = find(tokenizer, question, context, settings=SpanSettings(stride=3, no_answer_threshold=threshold))
    for candidate in (answer, *answer.candidates):
        assert context[candidate.start : candidate.end] == candidate.text
    texts = [candidate.text for candidate in answer.candidates]
    assert len(set(texts)) == len(texts)
    assert texts[0] == answer.text
    assert sum(candidate.probability for candidate in answer.candidates) == pytest.approx(1)


@pytest.mark.parametrize(
    ("threshold", "null", "text"),
    [(None, 99.0, "things"), (0.0, 4.9, "things"), (0.0, 5.1, ""), (2.0, 6.9, "things"), (-1.0, 4.5, "")],
)
def test_no_answer_is_said_above_the_threshold(threshold, null, text):
    settings_ = SpanSettings(no_answer_threshold=threshold)
    answer = find(TOKENIZERS[0], "q", "the things", settings=settings_, null=null)
    assert (answer.text, bool(answer)) == (text, bool(text))
    if threshold is not None:
        assert answer.no_answer_score == pytest.approx(null - 5.0, abs=1e-5)
        assert {"", "things"} <= {candidate.text for candidate in answer.candidates}
    if not text:
        assert (answer.start, answer.end, answer.score) == (0, 0, pytest.approx(null - threshold))


def test_the_threshold_counts_in_order_and_probability():
    found = _Found(np.array([[0, 1], [2, 3]]))
    found.null_score, found.spans = 2.0, {(0, 0): 5.0, (1, 1): 1.0}
    for threshold, texts in (
        (0.0, ["a", "", "b"]),
        (-4.0, ["", "a", "b"]),
        (-3.0, ["a", "", "b"]),
        (9.0, ["a", "b", ""]),
    ):
        answer = found.answer("a b", SpanSettings(no_answer_threshold=threshold))
        assert [one.text for one in answer.candidates] == texts
        shares = [one.probability for one in answer.candidates]
        assert shares == sorted(shares, reverse=True)
        assert answer.no_answer_score == -3.0
        assert bool(answer) == (answer.no_answer_score <= threshold)


def test_only_the_best_spans_of_a_long_context_are_kept():
    found = _Found(np.stack([np.arange(5000), np.arange(1, 5001)], axis=1))
    random = np.random.default_rng(4)
    scores = random.normal(size=5000)
    for start in range(0, 5000, 20):
        window = SimpleNamespace(first=3, start=start, length=20)
        places = np.arange(20) + 3
        outputs = {"null_score": np.zeros(1), "scores": scores[start : start + 20], "starts": places, "ends": places}
        found.add(window, outputs)
    assert len(found.spans) <= 400
    context = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))
    best = [candidate.score for candidate in found.answer(context, SpanSettings()).candidates]
    assert best == sorted(scores.tolist(), reverse=True)[: len(best)]


def test_probabilities_are_a_softmax_over_the_candidates():
    answer = find(TOKENIZERS[0], "q", "the things are paid", settings=SpanSettings(no_answer_threshold=0.0), null=3.0)
    scores = np.array([candidate.score for candidate in answer.candidates])
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose([candidate.probability for candidate in answer.candidates], expected, rtol=1e-6)
    assert answer.probability == answer.candidates[0].probability


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_a_context_without_a_word_has_no_answer(threshold):
    for context in ("", " \n", "\x02"):
        answer = find(TOKENIZERS[0], "q", context, settings=SpanSettings(no_answer_threshold=threshold))
        assert (answer.text, answer.probability, bool(answer)) == ("", 1.0, False)


def test_as_many_contexts_as_questions():
    with pytest.raises(ValueError, match="contexts must be as many as questions, got 2 and 1"):
        find_answers(["a"], ["b", "c"], TOKENIZERS[0], SpanSettings(), best_spans=None, **SIZES)
