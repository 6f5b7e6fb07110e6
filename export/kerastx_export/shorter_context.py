"""A model that writes with room for fewer tokens: smaller tables of positions, and caches that end sooner."""

from __future__ import annotations

import dataclasses

from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tasks import build_model
from kerastx.checkpoint.weights import assign_weights, weight_arrays
from kerastx.errors import ExportError

LEAST = 4  # a beginning, a token, and room for another one


def with_context(checkpoint: Checkpoint, length: int) -> Checkpoint:
    """Return the checkpoint with texts of so many tokens at most; what it writes in them stays the same.

    Raises:
        ExportError: the model has room for fewer already.
    """
    places = checkpoint.config.max_sequence_length
    if not LEAST <= length <= places:
        raise ExportError(f"a context of {length} tokens was asked for; this model can have {LEAST} to {places}")
    if length == places:
        return checkpoint
    config = dataclasses.replace(checkpoint.config, max_sequence_length=length)
    model = build_model(checkpoint.task, config, checkpoint.labels)
    arrays = weight_arrays(checkpoint.model)
    for variable in model.weights:
        if arrays[variable.path].shape != variable.shape:
            arrays[variable.path] = arrays[variable.path][: variable.shape[0]]
    assign_weights(model.weights, arrays, source="the checkpoint")
    return dataclasses.replace(checkpoint, model=model, config=config, max_length=min(length, checkpoint.max_length))
