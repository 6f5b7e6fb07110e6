"""The steps of an .onnx file that writes: its cache grows, in arrays that onnxruntime makes and takes uncopied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastx.runtime.engines import TOKENIZED, TensorSpec
from kerastx.runtime.engines.onnx import StepGraph
from kerastx.runtime.step_decoder import NO_TOKEN
from kerastx.runtime.step_names import ENCODE_INPUTS, SOURCE_IDS, SOURCE_MASK, TEXT, new, read
from kerastx.runtime.step_shapes import step_shapes, text_sizes

Cache = dict[str, np.ndarray]


class OnnxSteps:
    """Implements `kerastx.runtime.step_decoder.Steps`; several threads may run it at once.

    Its one graph computes a step at every run, and encodes sources or cuts texts where it is given some.

    Attributes:
        shapes: of the graph.
        budgets, max_tokens, text_inputs: of its tokenizer of prompts or sources; see `Tokenizing`.

    Raises:
        ArtifactError: the graph's step, or its tokenizer, is not ours.
    """

    def __init__(self, content: bytes, *, threads: int = 1):
        graph = StepGraph(content, threads=threads)
        self._run = graph.run
        inputs, outputs = dict(graph.inputs), dict(graph.outputs)
        self.budgets: tuple[int, ...] = ()
        self.text_inputs: tuple[str, ...] = ()
        self.max_tokens = 0
        if TEXT in inputs:
            tokens = {name: outputs.pop(read(name)) for name in TOKENIZED if read(name) in outputs}
            budget, self.max_tokens = text_sizes(inputs.pop(TEXT), tokens)
            self.budgets, self.text_inputs = (budget,), (TEXT,)
        encode_inputs: dict[str, TensorSpec] = {}
        if SOURCE_IDS in inputs:
            encode_inputs = {name: inputs[name] for name in ENCODE_INPUTS if name in inputs}
            del inputs[SOURCE_IDS]
            outputs = {name: spec for name, spec in outputs.items() if not name.startswith(new("source_"))}
        self.shapes = step_shapes(inputs, outputs, encode_inputs)
        self._outputs = ["logits", *map(new, self.shapes.cache_names)]
        self._nothing = {
            name: np.zeros([size or 0 for size in spec.shape], spec.dtype)
            for name, spec in graph.inputs.items()
            if name in (TEXT, SOURCE_IDS) and name not in graph.optional
        }

    def tokenize(self, texts: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Return the tokens of a prompt or of a source; see `Tokenizing`."""
        (text,) = texts
        (budget,) = self.budgets
        row = np.frombuffer(text.ljust(budget, b"\0"), np.uint8).reshape(1, budget)
        found = self._run(list(map(read, TOKENIZED)), {**self._idle_step(1, 1), TEXT: row})
        return dict(zip(TOKENIZED, found, strict=True))

    def encode(self, token_ids: np.ndarray, padding_mask: np.ndarray) -> dict[str, Any]:
        mask, *names = self.shapes.source_names
        given = {
            **self._idle_step(*token_ids.shape),
            mask: padding_mask,
            SOURCE_IDS: token_ids.astype(np.int32, copy=False),
        }
        found = self._run([new(name) for name in names], given)
        return {mask: padding_mask, **dict(zip(names, found, strict=True))}

    def _idle_step(self, batch_size: int, length: int) -> dict[str, np.ndarray]:
        """Return what the graph takes for a step over one token, and sources of a length; it runs at all times."""
        one = np.zeros((batch_size, 1), np.int32)
        sources = {
            name: np.ones(
                self.shapes.source_shape(name, batch_size, length), bool if name == SOURCE_MASK else np.float32
            )
            for name in self.shapes.source_names
        }
        return {"token_ids": one, "positions": one, **self.empty_cache(batch_size, 0), **sources, **self._nothing}

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
        logits, *values = self._run(self._outputs, {**tokens, **cache, **source, **self._nothing})
        return logits, dict(zip(self.shapes.cache_names, values, strict=True))
