"""Activations by name, in the forms that every exporter understands."""

from __future__ import annotations

import math
from collections.abc import Callable

from keras import ops


def gelu(x):
    """Return x Φ(x), the exact Gaussian error linear unit (Hendrycks and Gimpel, 2016).

    Written with erf: `ops.gelu(approximate=False)` becomes an invalid `Erfc` node in tf2onnx, while TFLite
    fuses this form into its one GELU op and onnx has an Erf.
    """
    return x * 0.5 * (1.0 + ops.erf(x * math.sqrt(0.5)))


def gelu_tanh(x):
    """Return the tanh approximation of gelu, as GPT-2 uses it."""
    return ops.gelu(x, approximate=True)


ACTIVATIONS: dict[str, Callable] = {
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "relu": ops.relu,
    "silu": ops.silu,
    "tanh": ops.tanh,
}


def activation(name: str) -> Callable:
    """Return the activation called `name`; ValueError names the known ones."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {sorted(ACTIVATIONS)}, got {name!r}.")
    return ACTIVATIONS[name]
