"""The named tensors of an exported graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerastx.checkpoint.store import Checkpoint
from kerastx.models.span_extractor import SPANS
from kerastx.runtime.results import INTEGER_OUTPUTS, LABEL_TASKS, OUTPUTS
from kerastx.text.tags import bio_tags

# A graph has all three, also where its model does not look at one: the same client serves every file.
INPUTS = {"token_ids": "int32", "segment_ids": "int32", "padding_mask": "bool"}


def signature(checkpoint: Checkpoint, *, texts: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return the signature of a checkpoint's graph as the manifest holds it; None = any size.

    Args:
        checkpoint: of the graph.
        texts: names of the texts of a graph that takes no ids.
    """
    inputs = dict.fromkeys(texts, "uint8") if texts else INPUTS
    return {
        "inputs": [{"name": name, "dtype": dtype, "shape": [None, None]} for name, dtype in inputs.items()],
        "outputs": [_output(checkpoint, name) for name in OUTPUTS[checkpoint.task]],
    }


def _output(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    width = 1 if name == "null_score" else output_width(checkpoint)
    shape = [None, None, width] if checkpoint.task == "tagging" else [None, width]
    return {"name": name, "dtype": "int32" if name in INTEGER_OUTPUTS else "float32", "shape": shape}


def output_width(checkpoint: Checkpoint) -> int:
    """Return how many numbers a graph answers for a text: one a label, one, or one a dimension of the vector.

    For each token of a text to be tagged, one a tag; for a window of a context, one a span.
    """
    if checkpoint.span is not None:
        return min(SPANS, checkpoint.span.max_answer_tokens)
    if checkpoint.task == "tagging":
        return len(bio_tags(checkpoint.labels))
    if checkpoint.task in LABEL_TASKS:
        return len(checkpoint.labels)
    return 1 if checkpoint.task == "regression" else checkpoint.config.hidden_dim
