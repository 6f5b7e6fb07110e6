from __future__ import annotations

import numpy as np
import pytest

from kerastx.data import cooccurrence
from kerastx.data.cooccurrence import chunk_starts, cooccurrence_vectors


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(cooccurrence, "CHUNK", 10)
    monkeypatch.setattr(cooccurrence, "MAXIMUM_TOKENS", 50)


def test_a_small_store_is_counted_whole():
    assert chunk_starts(45) == [0, 10, 20, 30, 40]
    assert chunk_starts(50) == [0, 10, 20, 30, 40]


def test_chunks_of_a_large_store_are_spread_over_it():
    assert chunk_starts(1010) == [0, 250, 500, 750, 1000]
    for num_tokens in range(51, 200):
        starts = np.array(chunk_starts(num_tokens))
        assert starts[0] == 0
        assert starts[-1] == num_tokens - 10
        assert (np.diff(starts) >= 10).all()


def test_tokens_of_the_end_are_counted_too(numbered_store):
    vectors = cooccurrence_vectors(numbered_store, 8, seed=1)
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths[numbered_store.tokens[-1]] == pytest.approx(1, abs=1e-5)
    assert (lengths > 0).sum() == 50
