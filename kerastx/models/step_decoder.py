"""A Keras model in the middle of writing: the cache of its rows, in the order in which they are gone on from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops, tree

from kerastx.layers.kv_cache import NO_TOKEN
from kerastx.models.steps import Steps, rows_of, with_room

# Slots that a cache gets at once: a step attends to all of them, the empty ones too.
SLOTS = 64


class StepDecoder:
    """Implements `kerastx.runtime.decoding.Decoder`.

    Args:
        steps: of the model.
        prompts: of each row the tokens that its text begins with, at least one.
        sources: of an encoder-decoder, the inputs of `Steps.encode`.
    """

    def __init__(self, steps: Steps, prompts: Sequence[Sequence[int]], sources: dict[str, np.ndarray] | None = None):
        self._steps = steps
        self._prompts = prompts
        self._lengths = np.array([len(prompt) for prompt in prompts], np.int32)
        self._owners = np.arange(len(prompts))
        self._used = 0
        self._source: dict[str, Any] = {}
        self._source_inputs = sources

    def begin(self) -> np.ndarray:
        token_ids, positions = left_padded(self._prompts)
        if self._source_inputs is not None:
            self._source = self._steps.encode(self._source_inputs["token_ids"], self._source_inputs["padding_mask"])
        self._cache = self._steps.model.initial_cache(len(self._prompts), token_ids.shape[1] + SLOTS)
        return self._step(token_ids, positions)

    def go_on(self, token_ids: np.ndarray, rows: np.ndarray) -> np.ndarray:
        self._take(rows)
        if self._used == self._cache.positions.shape[1]:
            self._cache = with_room(self._cache, SLOTS)
        positions = self._lengths[:, None]
        self._lengths = self._lengths + 1
        return self._step(token_ids[:, None], positions)

    def _take(self, rows: np.ndarray) -> None:
        if np.array_equal(rows, np.arange(len(self._lengths))):
            return
        self._cache = rows_of(self._cache, rows)
        self._lengths = self._lengths[rows]
        owners = self._owners[rows]
        # Beams of one source change places, and their source stays.
        if self._source and not np.array_equal(owners, self._owners):
            self._source = tree.map_structure(lambda values: ops.take(values, rows, axis=0), self._source)
        self._owners = owners

    def _step(self, token_ids: np.ndarray, positions: np.ndarray) -> np.ndarray:
        logits, self._cache = self._steps.step(
            token_ids, positions, self._cache, first_slot=self._used, source=self._source
        )
        self._used += token_ids.shape[1]
        return logits


def left_padded(prompts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of prompts, int32 (B, T), whose ends stand together, and their positions."""
    width = max(len(prompt) for prompt in prompts)
    token_ids = np.zeros((len(prompts), width), np.int32)
    positions = np.full_like(token_ids, NO_TOKEN)
    for row, prompt in enumerate(prompts):
        token_ids[row, width - len(prompt) :] = prompt
        positions[row, width - len(prompt) :] = np.arange(len(prompt))
    return token_ids, positions
