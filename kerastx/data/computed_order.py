"""Random numbers and orders that are computed from what they are for, so that no state has to be kept."""

from __future__ import annotations

import numpy as np


def hash_numbers(key: np.ndarray | np.uint64, values: np.ndarray | np.uint64) -> np.ndarray:
    """Mix two uint64 into one (two rounds of splitmix64, https://prng.di.unimi.it/splitmix64.c)."""
    return _mix(_mix(np.asarray(key, np.uint64)) ^ np.asarray(values, np.uint64))


def _mix(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def uniform(keys: np.ndarray) -> np.ndarray:
    """Return float64 in [0, 1) for each key."""
    return (_mix(keys) >> np.uint64(11)) * 2.0**-53


def permuted(values: np.ndarray, size: int, keys: np.ndarray) -> np.ndarray:
    """Map 0..size-1 one to one onto itself, a different way for each key.

    A Feistel network permutes the next power of four; values that fall outside of the range go round again.
    """
    half_bits = max((max(size - 1, 1).bit_length() + 1) // 2, 1)
    half, low = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    result = values.copy()
    pending = np.ones(len(values), bool)
    while pending.any():
        left, right = result[pending] >> half, result[pending] & low
        for turn in range(4):
            left, right = right, left ^ (hash_numbers(keys[pending] + np.uint64(turn), right) & low)
        result[pending] = left << half | right
        pending[pending] = result[pending] >= size
    return result
