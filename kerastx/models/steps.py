"""The steps of a Keras model that writes, compiled once for all lengths: a prompt is a step of many tokens."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kerastx.layers.kv_cache import NO_TOKEN, KeyValueCache


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

    Args:
        model: a `LanguageModel` or `Seq2Seq`.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.has_source = hasattr(model, "encode")
        self._step = _compiled(_Step(model))
        self._encode = _compiled(_Encode(model)) if self.has_source else None
        # Shapes that differ in all that may differ: what is compiled after the second takes every other.
        for size in (1, 2):
            self._run(*(np.zeros((size, length), np.int32) for length in (size, size + 2)))

    def _run(self, token_ids: np.ndarray, source_ids: np.ndarray) -> None:
        source = self.encode(source_ids, source_ids == 0) if self.has_source else {}
        cache = self.model.initial_cache(len(token_ids), token_ids.shape[1] + len(token_ids))
        self.step(token_ids, np.zeros_like(token_ids), cache, first_slot=0, source=source)

    def encode(self, token_ids: np.ndarray, padding_mask: np.ndarray) -> dict[str, Any]:
        """Return what every step takes of sources: int32 (B, R), bool (B, R)."""
        inputs = {"source_token_ids": token_ids, "source_padding_mask": padding_mask}
        return {
            "sources": _outputs_of(self._encode, inputs),
            "source_padding_mask": ops.convert_to_tensor(padding_mask),
        }

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


def _outputs_of(model: keras.Model, inputs: dict[str, Any]) -> Any:
    """Return the outputs as tensors: `predict_on_batch` would copy them, and with them the cache, to numpy."""
    return model.predict_function([(inputs,)])


def rows_of(cache: KeyValueCache, rows: np.ndarray) -> KeyValueCache:
    """Return the cache of some rows, int32 (R,), in their order."""
    return KeyValueCache(
        ops.take(cache.positions, rows, axis=0),
        tuple(ops.take(keys, rows, axis=0) for keys in cache.keys),
        tuple(ops.take(values, rows, axis=0) for values in cache.values),
    )


def with_room(cache: KeyValueCache, slots: int) -> KeyValueCache:
    """Return a cache with so many more empty slots behind the others."""
    wider = [[0, 0], [0, 0], [0, slots], [0, 0]]
    return KeyValueCache(
        ops.pad(cache.positions, [[0, 0], [0, slots]], constant_values=NO_TOKEN),
        tuple(ops.pad(keys, wider) for keys in cache.keys),
        tuple(ops.pad(values, wider) for values in cache.values),
    )
