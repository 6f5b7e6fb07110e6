"""The numbers that say how far file and Keras agree, for every task."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kerastx_export.agreement import correlation, decisions, label_sets, similarity

KERAS = np.array([[0.9, 0.1], [0.2, 0.8], [0.51, 0.49], [0.4, 0.6]], np.float32)


def test_agreement_counts_decisions_and_clear_decisions():
    found = np.array([[0.8, 0.2], [0.1, 0.9], [0.48, 0.52], [0.7, 0.3]], np.float32)
    result = decisions(found, KERAS)
    # Rows 2 and 3 are decided otherwise; row 2 is no clear decision of Keras, its margin is 0.02.
    assert (result.texts, result.share) == (4, 0.5)
    assert result.clear_texts == 3
    assert result.clear_share == pytest.approx(2 / 3)
    assert result.mean_drift == pytest.approx((0.1 + 0.1 + 0.03 + 0.3) / 4, abs=1e-6)


def test_agreement_looks_at_the_margin_to_the_second_label():
    keras = np.array([[0.34, 0.33, 0.33], [0.5, 0.3, 0.2]])
    found = np.array([[0.33, 0.34, 0.33], [0.5, 0.3, 0.2]])
    result = decisions(found, keras)
    assert (result.share, result.clear_texts, result.clear_share) == (0.5, 1, 1.0)


def test_agreement_without_clear_decisions_has_none_to_miss():
    keras = np.array([[0.51, 0.49], [0.49, 0.51]])
    result = decisions(keras[::-1], keras)
    assert (result.share, result.clear_texts, result.clear_share) == (0.0, 0, 1.0)


def test_a_nan_answer_is_seen_in_the_drift():
    found = KERAS.copy()
    found[1] = np.nan
    assert math.isnan(decisions(found, KERAS).mean_drift)


def test_label_sets_are_alike_where_every_label_is_decided_alike():
    keras = np.array([[0.9, 0.2, 0.7], [0.1, 0.2, 0.3], [0.9, 0.46, 0.7], [0.44, 0.9, 0.1]])
    found = np.array([[0.8, 0.3, 0.6], [0.1, 0.2, 0.6], [0.9, 0.54, 0.7], [0.44, 0.9, 0.1]])
    result = label_sets(found, keras)
    # Rows 1 and 2 have another set; row 2 is not clear, its second label is 0.04 from the threshold.
    assert (result.texts, result.share, result.clear_texts) == (4, 0.5, 3)
    assert result.clear_share == pytest.approx(2 / 3)
    assert result.mean_drift == pytest.approx((0.1 + 0.3 + 0.08 + 0) / 4)


def test_correlation_is_that_of_scipy_in_standard_deviations_of_keras():
    keras = np.array([1.0, 2.0, 3.0, 4.0, 10.0])
    found = np.array([1.1, 1.9, 3.0, 5.0, 4.0])
    result = correlation(found, keras)
    assert result.texts == 5
    assert result.spearman == pytest.approx(0.9)  # one pair of neighbours changed places: 1 - 6·2 / (5·24)
    assert result.pearson == pytest.approx(np.corrcoef(found, keras)[0, 1])
    assert result.mean_difference == pytest.approx((0.1 + 0.1 + 0 + 1 + 6) / 5 / keras.std())


def test_scores_that_are_all_the_same_correlate_with_nothing():
    same = correlation(np.full(4, 2.0), np.arange(4.0))
    assert (same.spearman, same.pearson) == (0.0, 0.0)
    assert correlation(np.arange(4.0), np.full(4, 2.0)).mean_difference > 1e6


def test_similarity_is_the_cosine_whatever_the_lengths():
    keras = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    found = np.array([[2.0, 0.0], [0.6, 0.8], [0.6, 0.8]])
    result = similarity(found, keras)
    assert result.texts == 3
    assert result.mean_cosine == pytest.approx((1 + 0.8 + 1) / 3)
    assert result.lowest_cosine == pytest.approx(0.8)


def test_a_nan_is_seen_in_every_task():
    bad = np.array([np.nan, 1.0])
    assert math.isnan(correlation(bad, np.array([0.0, 1.0])).mean_difference)
    assert math.isnan(similarity(bad[None], np.ones((1, 2))).mean_cosine)
