"""The layers on the jax backend, where jax is installed: their own tests, run once more in another process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="this is the run on the other backend")
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed: pip install jax")
@pytest.mark.timeout(900)
def test_layer_tests_pass_on_jax():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "pytest", "-q", str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=840, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
