"""The statistics of the comparison, on numbers worked out by hand."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("pretraining_gain", Path(__file__).with_name("pretraining_gain.py"))
pretraining_gain = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(pretraining_gain)


def test_difference_and_standard_error():
    # Variances 0.0001 and 0.0004 of three seeds each: sqrt(0.0005 / 3).
    found = pretraining_gain.compare([0.79, 0.80, 0.81], [0.68, 0.70, 0.72])
    assert found["difference"] == pytest.approx(0.10)
    assert found["standard_error"] == pytest.approx(math.sqrt(0.0005 / 3))
    assert found["ratio"] == pytest.approx(0.10 / math.sqrt(0.0005 / 3))


def test_equal_values_have_no_error():
    assert pretraining_gain.compare([0.5, 0.5], [0.25, 0.25])["ratio"] == math.inf
