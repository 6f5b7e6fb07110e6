"""The named tensors of an exported graph."""

from __future__ import annotations

from typing import Any

INPUTS = {"token_ids": "int32", "segment_ids": "int32", "padding_mask": "bool"}
OUTPUTS = ("logits", "probabilities")
# The one signature of the SavedModel and of the .tflite file.
SIGNATURE_KEY = "classification"


def signature(num_classes: int) -> dict[str, list[dict[str, Any]]]:
    """Return the signature of a classifier as the manifest holds it; None = any size."""
    return {
        "inputs": [{"name": name, "dtype": dtype, "shape": [None, None]} for name, dtype in INPUTS.items()],
        "outputs": [{"name": name, "dtype": "float32", "shape": [None, num_classes]} for name in OUTPUTS],
    }
