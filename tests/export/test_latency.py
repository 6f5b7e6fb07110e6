"""CPU time of one row, for each length."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from kerastx_export.latency import latency_ms


class Engine:
    """Burns a CPU millisecond for each token, and ten times that in its first three runs."""

    def __init__(self):
        self.runs: list[tuple[int, ...]] = []

    def run(self, inputs):
        assert {name: value.dtype.name for name, value in inputs.items()} == {
            "token_ids": "int32",
            "segment_ids": "int32",
            "padding_mask": "bool",
        }
        assert inputs["padding_mask"].all()
        assert inputs["token_ids"].max() < 50
        self.runs.append(inputs["token_ids"].shape)
        length = inputs["token_ids"].shape[1]
        first = sum(shape[1] == length for shape in self.runs) <= 3
        end = time.thread_time() + length * (0.01 if first else 0.001)
        while time.thread_time() < end:
            np.sqrt(2.0)


def test_latency_is_the_median_after_the_first_runs_of_one_row_of_each_length():
    engine = Engine()
    session = SimpleNamespace(engine=engine, manifest=SimpleNamespace(model={"vocabulary_size": 50}))
    found = latency_ms(session, [2, 6])
    assert found == {2: pytest.approx(2, abs=1), 6: pytest.approx(6, abs=2)}
    assert set(engine.runs) == {(1, 2), (1, 6)}
    assert engine.runs.count((1, 2)) >= 6
