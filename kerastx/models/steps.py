"""The steps of a Keras model that writes, compiled once for all lengths: a prompt is a step of many tokens."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from kerastx.layers.kv_cache import NO_TOKEN, KeyValueCache
from kerastx.models.beam_loop import BeamLoop
from kerastx.models.greedy_loop import GreedyLoop

# The tokens of a text, its end included, and their log-probability together.
Written = tuple[list[int], float]


class _Step(keras.Model):
    """A model's `step` as a model, so that Keras compiles it for its backend."""

    def __init__(self, model: keras.Model):
        super().__init__(name="step")
        self.model = model

    def call(self, inputs):
        return self.model.step(
            inputs["token_ids"],
            inputs["positions"],
            inputs["cache"],
            first_slot=inputs["first_slot"],
            **inputs["source"],
        )


class _Encode(keras.Model):
    def __init__(self, model: keras.Model):
        super().__init__(name="encode")
        self.model = model

    def call(self, inputs):
        return self.model.encode(inputs["source_token_ids"], inputs["source_padding_mask"])


class Steps:
    """A language model or an encoder-decoder, compiled to write; its weights stay those of the model.

    Beside `greedy` and `beams` it has the methods of `kerastx.runtime.step_decoder.Steps`.

    Args:
        model: a `LanguageModel` or `Seq2Seq`.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.has_source = hasattr(model, "encode")
        self._step = _compiled(_Step(model))
        self._encode = _compiled(_Encode(model)) if self.has_source else None
        self._greedy = _compiled(GreedyLoop(model))
        self._beams: dict[str, keras.Model] = {}
        self._ready: set[str] = set()

    def _warm(self, name: str, function: Callable[..., Any]) -> None:
        """Call a function with shapes that differ in all that may differ: what is compiled then takes every other."""
        if name in self._ready:
            return
        self._ready.add(name)
        for size in (1, 2):
            token_ids, source_ids = (np.zeros((size, length), np.int32) for length in (size, size + 2))
            source = self.encode(source_ids, source_ids == 0) if self.has_source else {}
            function(token_ids, np.zeros_like(token_ids), source=source, room=np.full(size, size, np.int32))

    def _first_step(
        self, token_ids: np.ndarray, positions: np.ndarray, *, source: dict[str, Any], room: np.ndarray
    ) -> None:
        cache = self.model.initial_cache(len(token_ids), token_ids.shape[1] + len(room))
        self.step(token_ids, positions, cache, first_slot=0, source=source)

    def greedy(
        self,
        token_ids: np.ndarray,
        positions: np.ndarray,
        *,
        source: dict[str, Any],
        room: np.ndarray,
        min_new_tokens: int = 0,
        end_ids: Sequence[int] = (),
        never_ids: Sequence[int] = (),
    ) -> list[Written]:
        """Return for each row the tokens that are written, the end included, and their log-probability together.

        Args:
            token_ids, positions: int32 (B, T), of the first step.
            source: see `step`.
            room: int32 (B,), the most tokens of each row.
            min_new_tokens: no row ends before it has so many.
            end_ids: tokens that end a text.
            never_ids: tokens that no text has.
        """
        self._warm("greedy", self.greedy)
        inputs = self._loop_inputs(token_ids, positions, source, room, min_new_tokens, end_ids, never_ids)
        return _rows_of_texts(_outputs_of(self._greedy, inputs))

    def beams(
        self,
        token_ids: np.ndarray,
        positions: np.ndarray,
        *,
        source: dict[str, Any],
        room: np.ndarray,
        num_beams: int,
        length_penalty: float = 1.0,
        early_stopping: bool = False,
        begun: int = 0,
        min_new_tokens: int = 0,
        end_ids: Sequence[int] = (),
        never_ids: Sequence[int] = (),
    ) -> list[Written]:
        """Return for each row the best text that beams find; see `greedy`, `GenerationSettings` and `BeamSearch`."""
        kind = {"num_beams": num_beams, "num_ends": len(end_ids)}
        name = str(kind)
        if name not in self._beams:
            self._beams[name] = _compiled(BeamLoop(self.model, **kind))
        self._warm(name, functools.partial(self.beams, num_beams=num_beams, end_ids=end_ids))
        inputs = self._loop_inputs(token_ids, positions, source, room, min_new_tokens, end_ids, never_ids)
        inputs |= {
            "written": np.repeat(inputs["written"][:, None], num_beams, axis=1),
            "length_penalty": ops.convert_to_tensor(length_penalty, dtype="float32"),
            "early_stopping": ops.convert_to_tensor(early_stopping, dtype="bool"),
            "begun": ops.convert_to_tensor(begun, dtype="int32"),
        }
        return _rows_of_texts(_outputs_of(self._beams[name], inputs))

    def _loop_inputs(
        self,
        token_ids: np.ndarray,
        positions: np.ndarray,
        source: dict[str, Any],
        room: np.ndarray,
        min_new_tokens: int,
        end_ids: Sequence[int],
        never_ids: Sequence[int],
    ) -> dict[str, Any]:
        longest, size = int(room.max()), self.model.config.vocabulary_size
        is_end, is_never = np.zeros((2, size), np.float32)
        is_end[list(end_ids)] = 1
        is_never[list(never_ids)] = 1
        return {
            "token_ids": token_ids,
            "positions": positions,
            "cache": self.model.initial_cache(len(token_ids), token_ids.shape[1] + longest),
            "source": source,
            "written": np.zeros((len(token_ids), longest), np.int32),
            "room": room.astype(np.int32),
            "min_new_tokens": ops.convert_to_tensor(min_new_tokens, dtype="int32"),
            "is_end": is_end,
            "is_never": is_never,
        }

    def encode(self, token_ids: np.ndarray, padding_mask: np.ndarray) -> dict[str, Any]:
        """Return what every step takes of sources: int32 (B, R), bool (B, R)."""
        inputs = {"source_token_ids": token_ids, "source_padding_mask": padding_mask}
        return {
            "sources": _outputs_of(self._encode, inputs),
            "source_padding_mask": ops.convert_to_tensor(padding_mask),
        }

    def empty_cache(self, batch_size: int, slots: int) -> KeyValueCache:
        return self.model.initial_cache(batch_size, slots)

    def slots(self, cache: KeyValueCache) -> int:
        return cache.positions.shape[1]

    def with_room(self, cache: KeyValueCache, slots: int) -> KeyValueCache:
        wider = [[0, 0], [0, 0], [0, slots], [0, 0]]
        return KeyValueCache(
            ops.pad(cache.positions, [[0, 0], [0, slots]], constant_values=NO_TOKEN),
            tuple(ops.pad(keys, wider) for keys in cache.keys),
            tuple(ops.pad(values, wider) for values in cache.values),
        )

    def rows_of(self, cache: KeyValueCache, rows: np.ndarray) -> KeyValueCache:
        return tree.map_structure(lambda cached: ops.take(cached, rows, axis=0), cache)

    def sources_of(self, source: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        return tree.map_structure(lambda values: ops.take(values, rows, axis=0), source)

    def step(
        self,
        token_ids: np.ndarray,
        positions: np.ndarray,
        cache: KeyValueCache,
        *,
        first_slot: int,
        source: dict[str, Any],
    ) -> tuple[np.ndarray, KeyValueCache]:
        """Return the next logits, float32 (B, V), and the cache that has the tokens; see `LanguageModel.step`."""
        self._warm("step", self._first_step)
        inputs = {
            "token_ids": token_ids,
            "positions": positions,
            "cache": cache,
            "first_slot": ops.convert_to_tensor(first_slot, dtype="int32"),
            "source": source,
        }
        logits, cache = _outputs_of(self._step, inputs)
        return ops.convert_to_numpy(logits), KeyValueCache(*cache)


def _compiled(model: keras.Model) -> keras.Model:
    # XLA would compile again for every length of a prompt.
    model.compile(jit_compile=False)
    model.make_predict_function()
    return model


def _rows_of_texts(outputs: Any) -> list[Written]:
    written, scores, counts = map(ops.convert_to_numpy, outputs)
    return [(row[:count].tolist(), float(score)) for row, count, score in zip(written, counts, scores, strict=True)]


def _outputs_of(model: keras.Model, inputs: dict[str, Any]) -> Any:
    """Return the outputs as tensors: `predict_on_batch` would copy them, and with them the cache, to numpy."""
    return model.predict_function([(inputs,)])
