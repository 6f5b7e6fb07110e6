"""The numbers that say how far file and Keras agree, for every task."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kerastx_export.agreement import decisions

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
