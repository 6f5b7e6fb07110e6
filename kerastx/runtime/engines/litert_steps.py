"""The steps of a .tflite file that writes: its cache stays in buffers of LiteRT, and is never copied.

A step is given the same buffers to read the cache from and to write it to. DYNAMIC_UPDATE_SLICE then writes the slots
of the new tokens and leaves all others as they are; into buffers of their own it would copy them first.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastx.errors import ArtifactError
from kerastx.runtime.engines.litert import StepGraph, answered_sizes
from kerastx.runtime.step_decoder import NO_TOKEN
from kerastx.runtime.step_names import ENCODE, REORDER, ROWS, SOURCE_IDS, SOURCE_MASK, STEP, new
from kerastx.runtime.step_shapes import FIRST_SLOT, StepShapes, step_shapes

Buffers = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Cache:
    """The cache of some rows; where rows have changed places before, buffers of the same sizes for the next time."""

    buffers: Buffers
    batch_size: int
    slots: int
    spare: Buffers | None = None


class LitertSteps:
    """Implements `kerastx.runtime.step_decoder.Steps`; a lock lets one thread at a time run the graph.

    Attributes:
        shapes: of the graph.
        budgets, max_tokens, text_inputs: of its tokenizer of prompts or sources; see `Tokenizing`.

    Raises:
        ArtifactError: the graph's step is not ours.
    """

    def __init__(self, content: bytes, *, threads: int = 1):
        graph = StepGraph(content, threads=threads)
        self._model, signatures = graph.model, graph.signatures
        inputs, outputs = signatures.get(STEP, ({}, {}))
        self.shapes = step_shapes(inputs, outputs, signatures.get(ENCODE, ({}, {}))[0])
        # Files of before there was one put their rows in order in arrays.
        self._reorders = REORDER in signatures
        _check_sizes(content, self.shapes, reorders=self._reorders)
        self._logits: tuple[int, Any] | None = None
        self._inputs: dict[tuple[str, str], tuple[tuple[int, ...], Any]] = {}
        self._dims: dict[tuple[str, str], tuple[int, ...]] = {}
        self._lock = threading.Lock()
        self._tokenizers = graph.tokenizers
        self.budgets, self.max_tokens = graph.tokenizers.budgets, graph.tokenizers.max_tokens
        self.text_inputs = graph.tokenizers.text_inputs

    def tokenize(self, texts: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Return the tokens of a prompt or of a source; see `Tokenizing`."""
        with self._lock:
            return self._tokenizers.tokenize(texts)

    def encode(self, token_ids: np.ndarray, padding_mask: np.ndarray) -> dict[str, Any]:
        given = {SOURCE_IDS: token_ids.astype(np.int32, copy=False), SOURCE_MASK: padding_mask}
        with self._lock:
            source = self._source_buffers(*token_ids.shape)
            source[SOURCE_MASK].write(padding_mask)
            inputs = self._filled(ENCODE, given)
            self._run(ENCODE, inputs, {name: source[name] for name in self.shapes.source_names[1:]})
        return source

    def empty_cache(self, batch_size: int, slots: int) -> Cache:
        with self._lock:
            cache = Cache(self._cache_buffers(batch_size, slots), batch_size, slots)
        for name, buffer in cache.buffers.items():
            shape = self.shapes.cache_shape(name, batch_size, slots)
            is_positions = name == "cached_positions"
            buffer.write(np.full(shape, NO_TOKEN, np.int32) if is_positions else np.zeros(shape, np.float32))
        return cache

    def slots(self, cache: Cache) -> int:
        return cache.slots

    def with_room(self, cache: Cache, slots: int) -> Cache:
        wider = self.empty_cache(cache.batch_size, cache.slots + slots)
        for name, values in self._arrays(cache).items():
            axis = min(2, values.ndim - 1)
            empty = np.full_like(values.take([0] * slots, axis=axis), NO_TOKEN if values.ndim == 2 else 0)
            wider.buffers[name].write(np.concatenate([values, empty], axis=axis))
        return wider

    def rows_of(self, cache: Cache, rows: np.ndarray) -> Cache:
        """Return some rows of a cache, which is used up."""
        count, slots = len(rows), cache.slots
        with self._lock:
            stays = count == cache.batch_size
            buffers = cache.spare if stays and cache.spare else self._cache_buffers(count, slots)
            found = Cache(buffers, count, slots, spare=cache.buffers if stays else None)
            if self._reorders:
                self._fit(REORDER, self._cache_dims(cache.batch_size, slots))
                inputs = self._filled(REORDER, {ROWS: rows.astype(np.int32)})
                outputs = {new(name): buffer for name, buffer in found.buffers.items()}
                self._run(REORDER, {**inputs, **cache.buffers}, outputs)
                return found
        for name, values in self._arrays(cache).items():
            found.buffers[name].write(values[rows])
        return found

    def sources_of(self, source: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        batch_size, length = source[SOURCE_MASK].get_tensor_details()["shape"]
        with self._lock:
            found = self._source_buffers(len(rows), length)
        for name, buffer in source.items():
            shape = self.shapes.source_shape(name, batch_size, length)
            found[name].write(_read(buffer, shape, np.bool_ if name == SOURCE_MASK else np.float32)[rows])
        return found

    def step(
        self, token_ids: np.ndarray, positions: np.ndarray, cache: Cache, *, first_slot: int, source: dict[str, Any]
    ) -> tuple[np.ndarray, Cache]:
        """Return logits and cache, which is the one that was given."""
        given = {"token_ids": token_ids, "positions": positions, FIRST_SLOT: np.array(first_slot)}
        given = {name: values.astype(np.int32, copy=False) for name, values in given.items()}
        batch_size = len(token_ids)
        with self._lock:
            logits = self._logits_buffer(batch_size)
            self._fit(STEP, self._cache_dims(batch_size, cache.slots))
            if source:
                self._fit(STEP, self._source_dims(*source[SOURCE_MASK].get_tensor_details()["shape"]))
            inputs = {**self._filled(STEP, given), **cache.buffers, **source}
            outputs = {new(name): buffer for name, buffer in cache.buffers.items()}
            self._run(STEP, inputs, {"logits": logits, **outputs})
            return _read(logits, (batch_size, self.shapes.vocabulary_size), np.float32), cache

    def _run(self, signature: str, inputs: Buffers, outputs: Buffers) -> None:
        try:
            self._model.run_by_name(signature, inputs, outputs)
        except RuntimeError as error:
            raise ArtifactError(f"LiteRT cannot run the graph: {' '.join(str(error).split())}") from error

    def _cache_buffers(self, batch_size: int, slots: int) -> Buffers:
        self._fit(STEP, self._cache_dims(batch_size, slots))
        return self._buffers(self.shapes.cache_names)

    def _source_buffers(self, batch_size: int, length: int) -> Buffers:
        self._fit(STEP, self._source_dims(batch_size, length))
        return self._buffers(self.shapes.source_names)

    def _buffers(self, names: Iterable[str]) -> Buffers:
        # Buffers of outputs do not learn of new sizes; those of inputs serve as well.
        return {name: self._model.create_input_buffer_by_name(STEP, name) for name in names}

    def _logits_buffer(self, batch_size: int) -> Any:
        """Return a buffer with room for the logits of a step, or more."""
        if self._logits is None or self._logits[0] < batch_size:
            # Any float32 tensor will do that may be of any size. Memory of our own, which LiteRT takes too, would start
            # a second environment, whose end it announces on stderr.
            row = self.shapes.num_heads * self.shapes.head_size
            slots = -(-batch_size * self.shapes.vocabulary_size // row)
            self._fit(STEP, {"key_0": self.shapes.cache_shape("key_0", 1, slots)})
            self._logits = batch_size, self._model.create_input_buffer_by_name(STEP, "key_0")
        return self._logits[1]

    def _cache_dims(self, batch_size: int, slots: int) -> dict[str, tuple[int, ...]]:
        return {name: self.shapes.cache_shape(name, batch_size, slots) for name in self.shapes.cache_names}

    def _source_dims(self, batch_size: int, length: int) -> dict[str, tuple[int, ...]]:
        return {name: self.shapes.source_shape(name, batch_size, length) for name in self.shapes.source_names}

    def _filled(self, signature: str, given: dict[str, np.ndarray]) -> Buffers:
        """Return buffers with what is given; they are free again after the next run."""
        self._fit(signature, {name: values.shape for name, values in given.items()})
        for name, values in given.items():
            place = signature, name
            if place not in self._inputs or self._inputs[place][0] != values.shape:
                self._inputs[place] = values.shape, self._model.create_input_buffer_by_name(signature, name)
            self._inputs[place][1].write(values)
        return {name: self._inputs[signature, name][1] for name in given}

    def _fit(self, signature: str, dims: dict[str, tuple[int, ...]]) -> None:
        """Give inputs of a signature their sizes."""
        for name, shape in dims.items():
            if shape and self._dims.get((signature, name)) != shape:
                self._model.resize_input_tensor_by_name(signature, name, shape)
                self._dims[signature, name] = shape

    def _arrays(self, cache: Cache) -> dict[str, np.ndarray]:
        return {
            name: _read(buffer, self.shapes.cache_shape(name, cache.batch_size, cache.slots), _dtype_of(name))
            for name, buffer in cache.buffers.items()
        }


def _check_sizes(content: bytes, shapes: StepShapes, *, reorders: bool) -> None:
    """Raise ArtifactError unless answers have the sizes that they promise: LiteRT writes them to buffers of these."""
    rows, slots, length = 2, 3, 4
    given: dict[str, np.ndarray] = {
        name: np.zeros(shapes.cache_shape(name, rows, slots), _dtype_of(name)) for name in shapes.cache_names
    }
    source = {name: np.zeros(shapes.source_shape(name, rows, length), np.float32) for name in shapes.source_names}
    if source:
        source[SOURCE_MASK] = np.ones((rows, length), bool)
    one = np.zeros((rows, 1), np.int32)
    tokens = {"token_ids": one, "positions": one, FIRST_SLOT: np.array(0, np.int32)}
    cache_sizes = {new(name): values.shape for name, values in given.items()}
    asked = {STEP: {**tokens, **given, **source}}
    sizes = {STEP: {"logits": (rows, shapes.vocabulary_size), **cache_sizes}}
    if reorders:
        asked[REORDER] = {ROWS: np.arange(rows, dtype=np.int32), **given}
        sizes[REORDER] = cache_sizes
    if source:
        asked[ENCODE] = {SOURCE_IDS: np.zeros((rows, length), np.int32), SOURCE_MASK: source[SOURCE_MASK]}
        sizes[ENCODE] = {name: values.shape for name, values in source.items() if name != SOURCE_MASK}
    found = answered_sizes(content, asked)
    for signature, expected in sizes.items():
        wrong = {name: size for name, size in found[signature].items() if size != expected.get(name)}
        if wrong or found[signature].keys() != expected.keys():
            told = ", ".join(f"{name} {size}" for name, size in (wrong or found[signature]).items())
            raise ArtifactError(f"{signature} of the graph answers {told}, which is not what it promises")


def _dtype_of(name: str) -> type:
    return np.int32 if name == "cached_positions" else np.float32


def _read(buffer: Any, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    return buffer.read(int(np.prod(shape)), dtype).reshape(shape)
