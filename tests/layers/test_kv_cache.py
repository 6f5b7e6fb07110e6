"""The cache's rules: where tokens go, which positions they have, who sees whom."""

from __future__ import annotations

import numpy as np
from layer_contract import array

from kerastx.layers.kv_cache import causal_mask, token_positions, write_slots


def test_new_tokens_take_the_slots_they_are_given():
    cached = np.zeros((2, 1, 5, 3), "float32")
    new = np.random.default_rng(0).normal(size=(2, 1, 2, 3)).astype("float32")
    written = array(write_slots(cached, new, first_slot=np.int32(2), axis=2))
    np.testing.assert_array_equal(written[:, :, 2:4], new)
    np.testing.assert_array_equal(written[:, :, [0, 1, 4]], 0)


def test_without_a_slot_the_cache_grows():
    cached = np.zeros((2, 0), "int32")
    new = np.array([[0, 1], [0, -1]], "int32")
    np.testing.assert_array_equal(array(write_slots(cached, new, first_slot=None, axis=1)), new)


def test_positions_count_tokens_not_padding():
    mask = np.array([[1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]], bool)
    np.testing.assert_array_equal(array(token_positions(mask)), [[0, 1, 2, -1], [-1, -1, 0, 1], [-1, -1, -1, -1]])


def test_a_token_sees_itself_and_those_before_never_padding():
    positions = np.array([[-1, 0, 1]], "int32")
    slots = np.array([[-1, 0, 1, -1]], "int32")
    expected = [[False] * 4, [False, True, False, False], [False, True, True, False]]
    np.testing.assert_array_equal(array(causal_mask(positions, slots))[0, 0], expected)
