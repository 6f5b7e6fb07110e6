from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from kerastx.analysis.scoring import MAIN_METRIC
from kerastx.data.labelled import LabelledData
from kerastx.training.baselines import baseline_score, is_unspaced

WORDS = ["river", "stone", "light", "water", "bird", "green", "house", "old", "fox", "tree"]


def sentences(count, seed, *, space=" ", words=WORDS):
    pick = np.random.default_rng(seed)
    return [space.join(pick.choice(words, pick.integers(4, 9))) for _ in range(count)]


def with_fox(texts, word="fox"):
    return LabelledData.of(texts, ["yes" if word in text else "no" for text in texts])


def test_words_decide_and_the_value_is_scikit_learns():
    train, dev = with_fox(sentences(120, 0)), with_fox(sentences(60, 1))
    found = baseline_score("classification", train, dev)
    assert found.name == "TF-IDF of words + logistic regression"
    assert found.metric == "accuracy"
    assert found.value > 0.9
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    classifier = LogisticRegression(max_iter=1000, C=10.0).fit(vectorizer.fit_transform(train.texts), train.targets)
    assert found.value == pytest.approx(classifier.score(vectorizer.transform(dev.texts), dev.targets))


def test_characters_are_counted_where_there_are_no_spaces():
    characters = list("的一是了我不人在他有这个上们来到时")
    train, dev = (with_fox(sentences(n, n, space="", words=characters) * 2, "我") for n in (150, 60))
    texts = [text + "大家都说很好吃" for text in train.texts]
    train = LabelledData.of(texts, train.labels)
    found = baseline_score("classification", train, dev)
    assert found.name == "TF-IDF of characters + logistic regression"
    assert found.value > 0.9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The quick brown fox jumps over the lazy dog", False),
        ("Die Donaudampfschifffahrt ist eine lange Fahrt", False),
        ("나는 학교에 갑니다", False),
        ("借呗有先息到期还本吗", True),
        ("これは日本語の文章です。", True),
        ("ฉันชอบกินข้าวผัดกุ้ง", True),
        ("", False),
    ],
)
def test_which_texts_are_written_without_spaces(text, expected):
    assert is_unspaced([text]) is expected


def test_texts_without_a_word_are_counted_by_characters():
    train = LabelledData.of(["! ?", "? .", "! !"], ["yes", "no", "yes"])
    assert baseline_score("classification", train, train) == (
        "TF-IDF of characters + logistic regression",
        "accuracy",
        1,
    )


def pairs(count, seed):
    """Return texts, other texts that are the same in the first half, and whether they are."""
    texts, others = sentences(count, seed), sentences(count, seed + 100)
    same = np.arange(count) < count // 2
    return texts, [text if is_same else other for text, other, is_same in zip(texts, others, same, strict=True)], same


def test_pairs_are_told_apart_by_what_they_share():
    sides = []
    for seed in (0, 1):
        texts, others, same = pairs(80, seed)
        sides.append(LabelledData.of(texts, [str(int(is_same)) for is_same in same], pairs=others))
    assert baseline_score("classification", *sides).value > 0.9
    alone = [LabelledData.of(side.texts, side.labels) for side in sides]
    assert baseline_score("classification", *alone).value < 0.8


def test_numbers_are_scored_by_the_correlation_of_ranks():
    sides = []
    for seed in (0, 1):
        texts, others, same = pairs(80, seed)
        sides.append(LabelledData.of_numbers(texts, same * 4.0 + np.arange(80) / 80, pairs=others))
    found = baseline_score("regression", *sides)
    assert (found.name, found.metric) == ("TF-IDF of words + ridge regression", "spearman")
    assert 0.6 < found.value < 1
    singles = LabelledData.of_numbers(sentences(60, 0), [text.count("fox") for text in sentences(60, 0)])
    assert baseline_score("regression", singles, singles).value > 0.8


def test_constant_numbers_score_0():
    data = LabelledData.of_numbers(["one two", "three four", "five six"], [2, 2, 2])
    other = LabelledData.of_numbers(data.texts, [1, 2, 3])
    assert baseline_score("regression", data, other).value == 0
    assert baseline_score("regression", other, data).value == 0


def test_every_label_has_a_model_of_its_own():
    def rows(seed):
        texts = sentences(150, seed)
        return LabelledData.of_sets(
            texts, [set(text.split()) & {"fox", "tree"} for text in texts], ["fox", "none", "tree"]
        )

    found = baseline_score("multi_label", rows(0), rows(1))
    assert (found.name, found.metric) == ("TF-IDF of words + logistic regression for each label", "micro_f1")
    assert found.value > 0.85
    empty = LabelledData.of_sets(["one two", "three"], [[], []], ["a"])
    assert baseline_score("multi_label", empty, empty).value == 0


def test_a_single_label_in_train_is_always_answered():
    train = LabelledData.of(["one two", "three four"], ["b", "b"], "ab")
    dev = LabelledData.of(["one", "two", "three", "four"], list("abbb"), "ab")
    assert baseline_score("classification", train, dev).value == 0.75


def test_the_metric_is_the_main_one_of_the_task():
    data = {
        "classification": LabelledData.of(["one two", "three"], ["a", "b"]),
        "multi_label": LabelledData.of_sets(["one two", "three"], ["a", "b"]),
        "regression": LabelledData.of_numbers(["one two", "three"], [1, 2]),
    }
    found = {task: baseline_score(task, rows, rows).metric for task, rows in data.items()}
    assert found | {"embedding": found["regression"]} == MAIN_METRIC  # of rated pairs, by their cosines


def test_texts_that_belong_together_are_found_by_their_words():
    rows = LabelledData.of_positives(
        ["where is the river", "who wrote this book", "nothing"], ["the river is here", "this book is hers", "else"]
    )
    found = baseline_score("positives", rows, rows)
    assert (found.name, found.metric) == ("cosine of TF-IDF of words", "recall_at_1")
    assert found.value == pytest.approx(2 / 3)


def test_wrong_rows():
    data = LabelledData.of(["one two"], ["a"])
    with pytest.raises(
        ValueError, match="task must be classification, multi_label, regression or positives, got 'ranking'"
    ):
        baseline_score("ranking", data, data)
    with pytest.raises(
        ValueError, match="expected rows for classification, got rows for classification and regression"
    ):
        baseline_score("classification", data, LabelledData.of_numbers(["one"], [1]))
    with pytest.raises(ValueError, match="either both train and dev must be pairs of texts or neither"):
        baseline_score("classification", data, LabelledData.of(["one"], ["a"], pairs=["two"]))
