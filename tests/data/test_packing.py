"""Packed rows hold the pairs of `pair_batch`, whole, apart from each other, and little padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerastx.data.packing import fill_share, fit_into_rows, packed_batch, packing_plan
from kerastx.data.pipeline import pretraining_dataset
from kerastx.data.sentence_pairs import pair_batch


@pytest.fixture(scope="module")
def short_store(make_numbered_store):
    """Documents of two or three short sentences: a pair fills a quarter of 64 places."""
    pick = np.random.default_rng(1)
    return make_numbered_store([list(pick.integers(2, 9, pick.integers(2, 4))) for _ in range(300)])


def sequences(batch, row):
    """Yield the parts of a packed row, as slices of its columns."""
    for number in range(1, batch["sequence_ids"][row].max() + 1):
        columns = np.flatnonzero(batch["sequence_ids"][row] == number)
        np.testing.assert_array_equal(np.diff(columns), 1)
        yield slice(columns[0], columns[-1] + 1)


def test_the_pairs_of_a_row_are_those_of_the_step(short_store):
    count, per_row = packing_plan(short_store, 8, 64)
    batch = packed_batch(short_store, 3, 5, batch_size=8, max_length=64)
    pairs = pair_batch(short_store, 3, 5, batch_size=count, max_length=64)
    known = {
        tuple(ids[mask]): (tuple(segments[mask]), label)
        for ids, segments, mask, label in zip(
            pairs["token_ids"], pairs["segment_ids"], pairs["padding_mask"], pairs["nsp_labels"], strict=True
        )
    }
    found = 0
    for row in range(8):
        parts = list(sequences(batch, row))
        for place, part in enumerate(parts):
            segments, label = known[tuple(batch["token_ids"][row, part])]
            assert tuple(batch["segment_ids"][row, part]) == segments
            assert batch["nsp_labels"][row, place] == label
            assert batch["first_positions"][row, place] == part.start
            np.testing.assert_array_equal(batch["positions"][row, part], np.arange(part.stop - part.start))
        np.testing.assert_array_equal(batch["nsp_weights"][row], np.arange(per_row) < len(parts))
        found += len(parts)
    assert found > 0.9 * count


def test_little_is_padding(short_store):
    assert fill_share(short_store, 64) < 0.5
    shares = [
        packed_batch(short_store, 1, step, batch_size=16, max_length=64)["padding_mask"].mean() for step in range(5)
    ]
    assert np.mean(shares) > 0.85


def test_a_batch_is_a_function_of_its_step(short_store):
    def batch(seed, step):
        return packed_batch(short_store, seed, step, batch_size=4, max_length=32)["token_ids"]

    np.testing.assert_array_equal(batch(1, 2), batch(1, 2))
    assert (batch(1, 2) != batch(1, 3)).any()
    assert (batch(1, 2) != batch(2, 2)).any()


@given(st.lists(st.integers(1, 20), max_size=60), st.integers(1, 6), st.integers(1, 5))
def test_rows_never_overflow_and_hold_each_length_at_most_once(lengths, num_rows, per_row):
    lengths = np.array(lengths, int)
    rows = fit_into_rows(lengths, num_rows, 20, per_row)
    placed = [item for row in rows for item in row]
    assert len(placed) == len(set(placed))
    assert all(sum(lengths[item] for item in row) <= 20 and len(row) <= per_row for row in rows)
    left = set(range(len(lengths))) - set(placed)
    # What was left out fits nowhere.
    assert all(len(row) == per_row or sum(lengths[row]) + lengths[item] > 20 for item in left for row in rows)


def test_the_dataset_gives_masked_packed_batches(short_store):
    dataset = pretraining_dataset(short_store, seed=1, batch_size=4, max_length=64, pack=True)
    inputs, targets, weights = next(iter(dataset.as_numpy_iterator()))
    plain = packed_batch(short_store, 1, 0, batch_size=4, max_length=64)
    for name in ("positions", "sequence_ids", "first_positions", "segment_ids", "padding_mask"):
        np.testing.assert_array_equal(inputs[name], plain[name])
    np.testing.assert_array_equal(targets["next_sentence"], plain["nsp_labels"])
    np.testing.assert_array_equal(weights["next_sentence"], plain["nsp_weights"])
    restored = inputs["token_ids"].copy()
    for row, column in np.argwhere(weights["masked_lm"]):
        restored[row, inputs["masked_positions"][row, column]] = targets["masked_lm"][row, column]
    np.testing.assert_array_equal(restored, plain["token_ids"])
    share = weights["masked_lm"].sum() / plain["padding_mask"].sum()
    assert 0.1 < share < 0.16
