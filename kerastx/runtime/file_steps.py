"""The steps of an exported file: its caches are NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerastx.errors import ArtifactError
from kerastx.runtime.engines import StepEngine, TensorSpec
from kerastx.runtime.step_decoder import NO_TOKEN
from kerastx.runtime.step_names import ENCODE_INPUTS, STEP_TOKENS, cache_names, new, source_names

FIRST_SLOT, SOURCE_MASK = "first_slot", "source_padding_mask"
Cache = dict[str, np.ndarray]


class FileSteps:
    """Implements `kerastx.runtime.step_decoder.Steps`.

    Args:
        engine: of a file that writes.

    Raises:
        ArtifactError: the graph's step is not ours.
    """

    def __init__(self, engine: StepEngine):
        self._engine = engine
        self._has_slots = FIRST_SLOT in engine.step_inputs
        num_blocks = sum(name.startswith("key_") for name in engine.step_inputs)
        self._names = cache_names(num_blocks)
        sources = [SOURCE_MASK, *source_names(num_blocks)] if engine.encode_inputs else []
        slots = [FIRST_SLOT] if self._has_slots else []
        promised = {*STEP_TOKENS, *slots, *self._names, *sources}
        answered = {"logits", *map(new, self._names)}
        if not num_blocks or engine.step_inputs.keys() != promised or engine.step_outputs.keys() != answered:
            raise ArtifactError(
                f"expected a step of {sorted(promised)} in the graph, found one of {sorted(engine.step_inputs)} that "
                f"answers {sorted(engine.step_outputs)}"
            )
        if engine.encode_inputs and engine.encode_inputs.keys() != ENCODE_INPUTS.keys():
            raise ArtifactError(f"expected sources {sorted(ENCODE_INPUTS)}, found {sorted(engine.encode_inputs)}")
        self._heads = {name: _heads(name, engine.step_inputs[name]) for name in self._names[1:]}

    def encode(self, token_ids: np.ndarray, padding_mask: np.ndarray) -> dict[str, Any]:
        found = self._engine.encode({"source_token_ids": token_ids, "source_padding_mask": padding_mask})
        return {**found, SOURCE_MASK: padding_mask}

    def empty_cache(self, batch_size: int, slots: int) -> Cache:
        slots = slots if self._has_slots else 0
        return {
            self._names[0]: np.full((batch_size, slots), NO_TOKEN, np.int32),
            **{
                name: np.zeros((batch_size, heads, slots, size), np.float32)
                for name, (heads, size) in self._heads.items()
            },
        }

    def slots(self, cache: Cache) -> int:
        return cache[self._names[0]].shape[1]

    def with_room(self, cache: Cache, slots: int) -> Cache:
        if not self._has_slots:  # it grows by itself
            return cache
        more = self.empty_cache(len(cache[self._names[0]]), slots)
        return {name: np.concatenate([cache[name], more[name]], axis=min(2, more[name].ndim - 1)) for name in cache}

    def rows_of(self, cache: Cache, rows: np.ndarray) -> Cache:
        return {name: values[rows] for name, values in cache.items()}

    def sources_of(self, source: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        return {name: values[rows] for name, values in source.items()}

    def step(
        self, token_ids: np.ndarray, positions: np.ndarray, cache: Cache, *, first_slot: int, source: dict[str, Any]
    ) -> tuple[np.ndarray, Cache]:
        slot = {FIRST_SLOT: np.array(first_slot, np.int32)} if self._has_slots else {}
        found = self._engine.step(
            {"token_ids": token_ids, "positions": positions.astype(np.int32), **slot, **cache, **source}
        )
        return found["logits"], {name: found[new(name)] for name in self._names}


def _heads(name: str, spec: TensorSpec) -> tuple[int, int]:
    """Return the number of heads of a cache, and their size."""
    shape = spec.shape
    if (
        spec.dtype != "float32"
        or len(shape) != 4
        or not shape[1]
        or not shape[3]
        or (shape[0], shape[2]) != (None, None)
    ):
        raise ArtifactError(f"expected {name} as float32 (None, heads, None, size) in the graph, found {spec}")
    return shape[1], shape[3]
