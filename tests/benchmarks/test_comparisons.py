"""The statistics of the scripts that compare two ways of training, on numbers worked out by hand."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_length_buckets_are_compared_seed_by_seed():
    found = {
        "buckets": [{"accuracy": 0.82, "train_cpu_seconds": 10.0}, {"accuracy": 0.80, "train_cpu_seconds": 20.0}],
        "padded": [{"accuracy": 0.81, "train_cpu_seconds": 20.0}, {"accuracy": 0.81, "train_cpu_seconds": 80.0}],
    }
    result = script("length_buckets").compare(found)
    assert result["speedup"] == pytest.approx(3.0)  # of 2 and 4
    assert result["difference"] == pytest.approx(0.0)
    assert result["standard_error"] == pytest.approx(0.01)  # of +0.01 and -0.01: sqrt(2) * 0.01 / sqrt(2)


def test_precisions_are_compared_seed_by_seed():
    found = {
        "float32": [{"loss": 4.0, "cpu_seconds": 30.0}, {"loss": 4.2, "cpu_seconds": 30.0}],
        "bfloat16": [{"loss": 4.1, "cpu_seconds": 20.0}, {"loss": 4.2, "cpu_seconds": 20.0}],
    }
    result = script("precision_loss").compare(found)
    assert result["difference"] == pytest.approx(0.05)
    assert result["standard_error"] == pytest.approx(0.05)
    assert result["between_seeds"] == pytest.approx(0.1 * math.sqrt(2))
    assert result["speedup"] == pytest.approx(1.5)
