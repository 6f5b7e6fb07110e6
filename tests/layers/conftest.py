"""Random states for the layer tests."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def states() -> np.ndarray:
    """Float32 (2, 5, 8)."""
    return np.random.default_rng(3).normal(size=(2, 5, 8)).astype("float32")
