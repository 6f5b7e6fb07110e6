"""Rows that are read one token at a time: the probabilities of a model that remembers, whoever reads beside whom."""

from __future__ import annotations

import numpy as np
import pytest

from kerastx.runtime.sampling import log_softmax
from kerastx.runtime.text_probabilities import (
    Row,
    batch_of,
    log_probabilities,
    parts,
    scored_places,
    step_logits,
)

SIZE = 7
TABLE = np.random.default_rng(2).normal(size=(SIZE, SIZE))


class SumSteps:
    """Steps whose logits are the sum of a table's rows, of all tokens so far; the cache is the sum and the slots."""

    def __init__(self):
        self.read: list[tuple[int, int]] = []

    def empty_cache(self, batch_size, slots):
        return np.zeros((batch_size, SIZE)), slots

    def step(self, token_ids, positions, cache, *, first_slot, source):
        before, slots = cache
        assert token_ids.shape == (len(before), 1)
        assert first_slot < slots
        assert set(positions[:, 0].tolist()) <= {-1, first_slot}
        self.read.append((len(before), slots))
        after = before + np.where(positions >= 0, TABLE[token_ids[:, 0]], 0)
        return after.astype(np.float32), (after, slots)


def row(*token_ids: int, scored: int) -> Row:
    return Row(np.array(token_ids, np.int32), scored)


def expected(one: Row) -> np.ndarray:
    logits = np.cumsum(TABLE[one.token_ids[:-1]], axis=0)
    found = log_softmax(logits)[np.arange(one.num_read), one.token_ids[1:]]
    return found[one.num_read - one.scored :]


ROWS = [row(1, 2, 3, 4, 5, scored=4), row(6, 5, scored=1), row(1, 0, 2, 2, scored=1), row(3, 3, 1, scored=2)]


def test_scored_tokens_have_the_probabilities_after_all_before_them():
    steps = SumSteps()
    found = log_probabilities(lambda batch: step_logits(steps, batch), ROWS, batch_of(ROWS))
    for one, values in zip(ROWS, found, strict=True):
        np.testing.assert_allclose(values, expected(one), atol=1e-5)
    assert steps.read == [(4, 4)] * 4  # a slot for each token that is read, and nothing is read twice


def test_places_have_the_tokens_behind_them():
    places = [(numbers.tolist(), wanted.tolist()) for numbers, wanted in scored_places(ROWS)]
    assert places == [([0, 1, 3], [2, 5, 3]), ([0, 3], [3, 1]), ([0, 2], [4, 2]), ([0], [5])]


def test_a_batch_is_padded_on_the_right():
    batch = batch_of(ROWS[:2])
    np.testing.assert_array_equal(batch.token_ids, [[1, 2, 3, 4], [6, 0, 0, 0]])
    np.testing.assert_array_equal(batch.padding_mask, [[True] * 4, [True, False, False, False]])
    assert batch.sources is None


@pytest.mark.parametrize(
    ("places_at_once", "rows_at_once", "numbers"),
    [
        (100, 16, [[1, 3, 2, 0]]),
        (100, 3, [[1, 3, 2], [0]]),
        (6, 16, [[1, 3], [2], [0]]),
        (1, 16, [[1], [3], [2], [0]]),  # a row that is longer than there may be is read alone
    ],
)
def test_rows_of_like_length_are_read_together(places_at_once, rows_at_once, numbers):
    assert list(parts(ROWS, places_at_once=places_at_once, rows_at_once=rows_at_once)) == numbers
