"""The named tensors of an exported graph."""

from __future__ import annotations

from typing import Any

from kerastx.checkpoint.store import Checkpoint
from kerastx.runtime.results import LABEL_TASKS, OUTPUTS
from kerastx.text.tags import bio_tags

# A graph has all three, also where its model does not look at one: the same client serves every file.
INPUTS = {"token_ids": "int32", "segment_ids": "int32", "padding_mask": "bool"}


def signature(checkpoint: Checkpoint) -> dict[str, list[dict[str, Any]]]:
    """Return the signature of a checkpoint's graph as the manifest holds it; None = any size."""
    width = output_width(checkpoint)
    shape = [None, None, width] if checkpoint.task == "tagging" else [None, width]
    return {
        "inputs": [{"name": name, "dtype": dtype, "shape": [None, None]} for name, dtype in INPUTS.items()],
        "outputs": [{"name": name, "dtype": "float32", "shape": shape} for name in OUTPUTS[checkpoint.task]],
    }


def output_width(checkpoint: Checkpoint) -> int:
    """Return how many numbers a graph answers for a text: one a label, one, or one a dimension of the vector.

    For each token of a text to be tagged, one a tag.
    """
    if checkpoint.task == "tagging":
        return len(bio_tags(checkpoint.labels))
    if checkpoint.task in LABEL_TASKS:
        return len(checkpoint.labels)
    return 1 if checkpoint.task == "regression" else checkpoint.config.hidden_dim
