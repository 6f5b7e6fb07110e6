"""Exact match and F1, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kerastx.analysis.question_scores import (
    best_threshold,
    chinese_score,
    english_score,
    question_scores,
    score_rows,
)
from kerastx.data.questions import GivenAnswer, Question, QuestionData
from kerastx.runtime.answers import Answer, Candidate


@pytest.mark.parametrize(
    ("given", "right", "exact", "f1"),
    [
        ("the Denver Broncos!", ["Denver Broncos"], 1, 1),
        ("Broncos", ["Denver Broncos"], 0, 2 / 3),
        ("a  cat", ["Cat", "dog"], 1, 1),
        ("an apple a day", ["apple day", "apple"], 1, 1),
        ("an apple a day", ["apple pie", "an apple"], 0, 2 / 3),
        ("to be or not to be", ["be to"], 0, 2 * 2 / (6 + 2)),
        ("theory", ["the ory"], 0, 0),
        ("3.50", ["350"], 1, 1),
        ("naïve", ["naive"], 0, 0),
        ("", ["cat"], 0, 0),
        ("", [], 1, 1),
        ("cat", [], 0, 0),
        ("the", [], 1, 1),
        ("", ["the"], 1, 1),
        ("cat", ["the", "cat"], 1, 1),
    ],
)
def test_english(given, right, exact, f1):
    assert english_score(given, right) == (exact, pytest.approx(f1))


@pytest.mark.parametrize(
    ("given", "right", "exact", "f1"),
    [
        ("北京", ["北京"], 1, 1),
        ("北京。", ["《北京》"], 1, 1),
        ("北京市", ["北京"], 0, 2 * 2 / 5),
        # The longest run: 京 and 市 are common too, but not beside each other.
        ("北京大市", ["京市"], 0, 2 * 1 / 6),
        ("NBA总决赛", ["nba总决赛"], 1, 1),
        ("光荣和ω-force", ["ω-force"], 0, 2 * 1 / (4 + 1)),
        ("3.5公里", ["3.5公里", "公里"], 1, 1),
        ("上海", ["北京", "上海滩"], 0, 2 * 2 / 5),
        ("", ["北京"], 0, 0),
        ("", [], 1, 1),
        ("北京", [], 0, 0),
    ],
)
def test_chinese(given, right, exact, f1):
    assert chinese_score(given, right) == (exact, pytest.approx(f1))


def asked(text, *answers):
    return Question(text, text, "context", tuple(GivenAnswer(one, -1) for one in answers), 1)


def found(text, above=None):
    best = Candidate("cat", 0, 3, 0.5, 1.0)
    return Answer(text, 0, len(text), 0.5, 1.0, (best, Candidate("", 0, 0, 0.5, 1.0)), above)


def test_means_and_the_shares_of_both_kinds():
    data = QuestionData([asked("a", "cat"), asked("b", "the dog"), asked("c"), asked("d")])
    texts = iter([found("cat"), found("dog house"), found(""), found("x")])
    scores = question_scores(lambda questions, contexts: [next(texts) for _ in questions], data)
    assert scores == {
        "f1": pytest.approx((1 + 2 / 3 + 1 + 0) / 4),
        "exact_match": 0.5,
        "f1_of_answerable": pytest.approx((1 + 2 / 3) / 2),
        "no_answer_accuracy": 0.5,
    }
    plain = question_scores(lambda questions, contexts: [found("cat")], data.subset([0]))
    assert plain == {"f1": 1.0, "exact_match": 1.0}


def test_the_language_chooses_the_definition():
    data = QuestionData([asked("喜欢什么？", "京市")])
    np.testing.assert_allclose(score_rows(data, ["北京大市"]), [[0, 1 / 3]])
    data = QuestionData([asked("What?", "京市")])
    np.testing.assert_allclose(score_rows(data, ["北京大市"]), [[0, 0]])


def test_the_threshold_is_where_f1_is_highest():
    """Of five questions two have no answer, and they are the second and the last by their score."""
    data = QuestionData([asked("a", "cat"), asked("b"), asked("c", "cat"), asked("d", "dog"), asked("e")])
    above = [-3.0, 2.0, -1.0, 0.5, 4.0]

    def f1(threshold):
        texts = ["" if one > threshold else "cat" for one in above]
        return score_rows(data, texts)[:, 1].mean()

    threshold = best_threshold(lambda *rows: [found("cat", one) for one in above], data)
    assert -1.0 < threshold < 2.0
    assert f1(threshold) == max(f1(one) for one in np.arange(-5, 6, 0.25)) == pytest.approx(0.8)


def test_a_threshold_never_stands_between_equal_scores():
    data = QuestionData([asked("a", "cat"), asked("b"), asked("c", "cat")])
    threshold = best_threshold(lambda *rows: [found("cat", 1.0)] * 3, data)
    assert threshold > 1.0  # two of three right with an answer always, one of three with none
    assert best_threshold(lambda *rows: [found("", np.inf)] * 3, data.subset([1, 1, 1])) < np.inf
