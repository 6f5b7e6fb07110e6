"""A model in the middle of writing: the cache of its rows, in the order in which they are gone on from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from kerastx.runtime.decoding import Beginning

NO_TOKEN = -1  # the position of padding and of empty slots, as in `kerastx.layers.kv_cache`
# Slots that a cache gets at once: a step attends to all of them, the empty ones too.
SLOTS = 64
# A prompt is read in pieces of so many tokens: the scores of attention grow with their number times all before.
PIECE = 512


class Steps(Protocol):
    """What computes the steps: a Keras model or an exported file. A cache and a source are its own affair."""

    def encode(self, token_ids: np.ndarray, padding_mask: np.ndarray) -> dict[str, Any]:
        """Return what every step takes of sources: int32 (B, R), bool (B, R)."""

    def empty_cache(self, batch_size: int, slots: int) -> Any:
        """Return the cache of rows without tokens, with room for so many."""

    def slots(self, cache: Any) -> int:
        """Return how many tokens a cache has room for."""

    def with_room(self, cache: Any, slots: int) -> Any:
        """Return a cache with room for so many more."""

    def rows_of(self, cache: Any, rows: np.ndarray) -> Any:
        """Return the cache of some rows, int32 (R,), in their order."""

    def sources_of(self, source: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        """Return some rows of what `encode` returned."""

    def step(
        self, token_ids: np.ndarray, positions: np.ndarray, cache: Any, *, first_slot: int, source: dict[str, Any]
    ) -> tuple[np.ndarray, Any]:
        """Return the next logits, float32 (B, V), and the cache that has the tokens.

        The one before may have become it: whoever goes on from a cache twice reads the same tokens again.

        Args:
            token_ids, positions: int32 (B, T); position `NO_TOKEN` is padding.
            cache: of the tokens before.
            first_slot: how many tokens and padding came before.
            source: what `encode` returned; {} where there are no sources.
        """


class StepDecoder:
    """Implements `kerastx.runtime.decoding.Decoder`.

    Args:
        steps: of the model.
        beginnings: of the texts.
        sources: of an encoder-decoder, the inputs of `Steps.encode`.
    """

    def __init__(self, steps: Steps, beginnings: Sequence[Beginning], sources: dict[str, np.ndarray] | None = None):
        self._steps = steps
        self._prompts = [one.token_ids for one in beginnings]
        self._lengths = np.array([len(prompt) for prompt in self._prompts], np.int32)
        # Nobody reads the last token of a text.
        self._most = int(self._lengths.max()) + max(one.max_new_tokens for one in beginnings) - 1
        self._owners = np.arange(len(self._prompts))
        self._used = 0
        self._source: dict[str, Any] = {}
        self._source_inputs = sources

    def begin(self) -> np.ndarray:
        token_ids, positions = left_padded(self._prompts)
        if self._source_inputs is not None:
            self._source = self._steps.encode(self._source_inputs["token_ids"], self._source_inputs["padding_mask"])
        width = token_ids.shape[1]
        self._cache = self._steps.empty_cache(len(self._prompts), width + self._more(width))
        for start in range(0, width, PIECE):  # the last tokens of all prompts are in the last piece
            logits = self._step(token_ids[:, start : start + PIECE], positions[:, start : start + PIECE])
        return logits

    def go_on(self, token_ids: np.ndarray, rows: np.ndarray) -> np.ndarray:
        self._take(rows)
        if self._used == self._steps.slots(self._cache):
            self._cache = self._steps.with_room(self._cache, self._more(self._used))
        positions = self._lengths[:, None]
        self._lengths = self._lengths + 1
        return self._step(token_ids[:, None], positions)

    def _more(self, used: int) -> int:
        """Return how many slots are made at a time behind those that are used."""
        return max(1, min(SLOTS, self._most - used))

    def _take(self, rows: np.ndarray) -> None:
        if np.array_equal(rows, np.arange(len(self._lengths))):
            return
        self._cache = self._steps.rows_of(self._cache, rows)
        self._lengths = self._lengths[rows]
        owners = self._owners[rows]
        # Beams of one source change places, and their source stays.
        if self._source and not np.array_equal(owners, self._owners):
            self._source = self._steps.sources_of(self._source, rows)
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
