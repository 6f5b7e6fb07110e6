"""All of a greedy text in one compiled graph: the most probable token at each step, without a way back to Python."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from kerastx.layers.kv_cache import NO_TOKEN, KeyValueCache


class _State(NamedTuple):
    """What goes around in the loop; N is the most tokens of a row."""

    step: Any  # int32 ()
    logits: Any  # float32 (B, V), of the next token
    written: Any  # int32 (B, N), 0 behind the end
    log_probabilities: Any  # float32 (B,), of what is written
    lengths: Any  # int32 (B,), tokens in the cache
    is_done: Any  # bool (B,)
    cache: KeyValueCache


class GreedyLoop(keras.Model):
    """The steps of a language model or an encoder-decoder, until every row ended.

    Args:
        model: a `LanguageModel` or `Seq2Seq`.

    Inputs: those of the first step, token_ids and positions int32 (B, T), source as `Steps.step` takes it; cache of
    T + N slots, empty; written int32 (B, N), zeros; room int32 (B,), the most tokens of each row; min_new_tokens int32
    (), before which no row ends; is_end and is_never float32 (V,), 1 for tokens that end a text or are never in one.

    Outputs: int32 (B, N) of tokens, the end included, and zeros; float32 (B,), their log-probabilities together; int32
    (B,), how many there are.
    """

    def __init__(self, model: keras.Model):
        super().__init__(name="greedy_loop")
        self.model = model

    def call(self, inputs):
        width = ops.shape(inputs["token_ids"])[1]
        is_end, never = inputs["is_end"], -1e9 * inputs["is_never"]

        def best(state: _State):
            too_early = ops.cast(state.step < inputs["min_new_tokens"], "float32")
            return ops.cast(ops.argmax(state.logits + never - 1e9 * too_early * is_end, axis=-1), "int32")

        def body(*state):
            state = _State(*state)
            tokens = ops.where(state.is_done, 0, best(state))
            given = ops.take_along_axis(ops.log_softmax(state.logits), ops.expand_dims(tokens, 1), axis=1)[:, 0]
            ends = ops.logical_or(ops.take(is_end, tokens) > 0, state.step + 1 >= inputs["room"])
            is_done = ops.logical_or(state.is_done, ends)
            positions = ops.where(is_done, NO_TOKEN, state.lengths)
            logits, cache = self.model.step(
                ops.expand_dims(tokens, 1),
                ops.expand_dims(positions, 1),
                state.cache,
                first_slot=width + state.step,
                **inputs["source"],
            )
            return _State(
                state.step + 1,
                logits,
                ops.slice_update(state.written, [0, state.step], ops.expand_dims(tokens, 1)),
                state.log_probabilities + ops.where(state.is_done, 0.0, given),
                state.lengths + 1 - ops.cast(state.is_done, "int32"),
                is_done,
                cache,
            )

        logits, cache = self.model.step(
            inputs["token_ids"], inputs["positions"], inputs["cache"], first_slot=0, **inputs["source"]
        )
        before = ops.max(inputs["positions"], axis=1) + 1
        begin = _State(
            step=ops.zeros((), "int32"),
            logits=logits,
            written=inputs["written"],
            log_probabilities=ops.zeros_like(logits[:, 0]),
            lengths=before,
            is_done=inputs["room"] < 1,
            cache=cache,
        )

        def goes_on(*state):
            return ops.logical_not(ops.all(_State(*state).is_done))

        end = _State(*ops.while_loop(goes_on, body, tuple(begin)))
        return end.written, end.log_probabilities, end.lengths - before
