"""The steps of an .onnx file that writes: its cache grows, in arrays that onnxruntime makes and takes uncopied."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerastx.runtime.engines.onnx import StepGraph
from kerastx.runtime.step_decoder import NO_TOKEN
from kerastx.runtime.step_names import ENCODE_INPUTS, SOURCE_IDS, new
from kerastx.runtime.step_shapes import step_shapes

Cache = dict[str, np.ndarray]


class OnnxSteps:
    """Implements `kerastx.runtime.step_decoder.Steps`.

    Attributes:
        shapes: of the graph.

    Raises:
        ArtifactError: the graph's step is not ours.
    """

    def __init__(self, content: bytes, *, threads: int = 1):
        graph = StepGraph(content, threads=threads)
        reads = SOURCE_IDS in graph.inputs
        inputs = {name: spec for name, spec in graph.inputs.items() if name != SOURCE_IDS}
        outputs = {name: spec for name, spec in graph.outputs.items() if not name.startswith(new("source_"))}
        encode_inputs = {name: graph.inputs[name] for name in ENCODE_INPUTS if name in graph.inputs} if reads else {}
        self.shapes = step_shapes(inputs, outputs, encode_inputs)
        self._run = graph.run
        self._outputs = ["logits", *map(new, self.shapes.cache_names)]
        self._no_sources = {SOURCE_IDS: np.zeros((0, 0), np.int32)} if reads else {}

    def encode(self, token_ids: np.ndarray, padding_mask: np.ndarray) -> dict[str, Any]:
        # The step that is in the same graph runs too, over one token.
        batch_size, length = token_ids.shape
        mask, *names = self.shapes.source_names
        one = np.zeros((batch_size, 1), np.int32)
        empty = {name: np.zeros(self.shapes.source_shape(name, batch_size, length), np.float32) for name in names}
        inputs = {"token_ids": one, "positions": one, **self.empty_cache(batch_size, 0), **empty, mask: padding_mask}
        given = {**inputs, SOURCE_IDS: token_ids.astype(np.int32, copy=False)}
        found = self._run([new(name) for name in names], given)
        return {mask: padding_mask, **dict(zip(names, found, strict=True))}

    def empty_cache(self, batch_size: int, slots: int) -> Cache:
        shapes = {name: self.shapes.cache_shape(name, batch_size, 0) for name in self.shapes.cache_names}
        positions, *names = shapes
        return {
            positions: np.full(shapes[positions], NO_TOKEN, np.int32),
            **{name: np.zeros(shapes[name], np.float32) for name in names},
        }

    def slots(self, cache: Cache) -> int:
        return cache["cached_positions"].shape[1]

    def with_room(self, cache: Cache, slots: int) -> Cache:
        return cache

    def rows_of(self, cache: Cache, rows: np.ndarray) -> Cache:
        return {name: values[rows] for name, values in cache.items()}

    def sources_of(self, source: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        return {name: values[rows] for name, values in source.items()}

    def step(
        self, token_ids: np.ndarray, positions: np.ndarray, cache: Cache, *, first_slot: int, source: dict[str, Any]
    ) -> tuple[np.ndarray, Cache]:
        tokens = {"token_ids": token_ids, "positions": positions.astype(np.int32, copy=False)}
        logits, *values = self._run(self._outputs, {**tokens, **cache, **source, **self._no_sources})
        return logits, dict(zip(self.shapes.cache_names, values, strict=True))
