from __future__ import annotations

import pytest

from kerastx.analysis.rouge import rouge


def test_shared_words_pairs_and_sequences_are_counted():
    scores = rouge(["The cat sat on the mat."], ["the cat lay on a mat"])
    assert scores["rouge1"] == pytest.approx(100 * 2 * 4 / 12)  # the, cat, on, mat
    assert scores["rouge2"] == pytest.approx(100 * 2 * 1 / 10)  # the cat
    assert scores["rougeL"] == pytest.approx(100 * 2 * 4 / 12)


def test_the_order_of_words_counts_for_sequences_only():
    scores = rouge(["mat the on"], ["on the mat"])
    assert scores == {"rouge1": pytest.approx(100), "rouge2": 0.0, "rougeL": pytest.approx(100 / 3)}


def test_scores_are_means_over_texts():
    assert rouge(["a b", "c"], ["a b", "d"])["rouge1"] == pytest.approx(50)


def test_characters_of_scripts_without_blanks_are_words():
    assert rouge(["机器学习"], ["机器翻译"])["rouge1"] == pytest.approx(50)


def test_a_reference_for_each_text_is_needed():
    with pytest.raises(ValueError, match="expected a reference for each text, got 1 and 0"):
        rouge(["a"], [])


def test_the_best_of_several_references_counts_for_each_score_by_itself():
    references = ["a b x y", "b a"]
    assert rouge(["a b"], [references]) == {
        "rouge1": pytest.approx(100),  # of the second
        "rouge2": pytest.approx(100 * 2 / 4),  # of the first
        "rougeL": pytest.approx(100 * 2 * 2 / 6),
    }
    assert rouge(["a b", "c"], [references, "c"])["rouge1"] == pytest.approx(100)


def test_a_text_without_any_reference_is_told():
    with pytest.raises(ValueError, match="expected a reference for each text, got none for number 1"):
        rouge(["a", "b"], [["a"], []])


def test_scores_are_those_of_rouge_score():
    """rouge-score 0.1.2: `RougeScorer(["rouge1", "rouge2", "rougeL"]).score_multi(references, text)`."""
    text = "A new loss-scaling method makes mixed precision training easier, and it needs no tuning."
    references = [
        "We devise adaptive loss scaling to improve mixed precision training.",
        "Mixed precision training without tuning of the loss scale: it is easier.",
    ]
    expected = {"rouge1": 51.85185185185186, "rouge2": 26.08695652173913, "rougeL": 40.0}
    assert rouge([text], [references]) == pytest.approx(expected)
