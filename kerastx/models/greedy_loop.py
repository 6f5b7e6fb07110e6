"""All of a greedy text in one compiled graph: the most probable token at each step, without a way back to Python."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from kerastx.layers.kv_cache import NO_TOKEN, KeyValueCache


class _State(NamedTuple):
    """What goes around in the loop; N is the most tokens of a row."""

    step: Any  # int32 (), how many tokens are written
    tokens: Any  # int32 (B,), the last of them, which the model has not read yet
    written: Any  # int32 (B, N), 0 behind the end
    log_probabilities: Any  # float32 (B,), of what is written
    lengths: Any  # int32 (B,), of rows with what is written
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
        with self.model.get_layer("vocabulary_logits").token_embedding.turned():
            return self.write(inputs)

    def write(self, inputs):
        """Return what a call does, with the table of tokens as it stands."""
        width = ops.shape(inputs["token_ids"])[1]
        before = ops.max(inputs["positions"], axis=1) + 1
        none = ops.zeros_like(before)

        def body(*state):
            state = _State(*state)
            positions = ops.where(state.is_done, NO_TOKEN, state.lengths - 1)
            logits, cache = self.model.step(
                ops.expand_dims(state.tokens, 1),
                ops.expand_dims(positions, 1),
                state.cache,
                first_slot=width + state.step - 1,
                **inputs["source"],
            )
            return _written(state._replace(cache=cache), logits, inputs)

        def goes_on(*state):
            return ops.logical_not(ops.all(_State(*state).is_done))

        logits, cache = self.model.step(
            inputs["token_ids"], inputs["positions"], inputs["cache"], first_slot=0, **inputs["source"]
        )
        begin = _State(
            step=ops.zeros((), "int32"),
            tokens=none,
            written=inputs["written"],
            log_probabilities=ops.cast(none, "float32"),
            lengths=before,
            is_done=inputs["room"] < 1,
            cache=cache,
        )
        end = _State(*ops.while_loop(goes_on, body, tuple(_written(begin, logits, inputs))))
        return end.written, end.log_probabilities, end.lengths - before


def _written(state: _State, logits, inputs) -> _State:
    """Return the state with one more token of each row that is not done: the most probable one, float32 (B, V)."""
    too_early = ops.cast(state.step < inputs["min_new_tokens"], "float32")
    blocked = 1e9 * (inputs["is_never"] + too_early * inputs["is_end"])
    # ops.argmax tells 0.0 from -0.0 by their bits, for which TFLite has no operator.
    best = ops.cast(ops.top_k(logits - blocked, 1)[1][:, 0], "int32")
    given = ops.take_along_axis(logits, ops.expand_dims(best, 1), axis=1)[:, 0] - ops.logsumexp(logits, axis=-1)
    tokens = ops.where(state.is_done, 0, best)
    ends = ops.logical_or(ops.take(inputs["is_end"], best) > 0, state.step + 1 >= inputs["room"])
    return state._replace(
        step=state.step + 1,
        tokens=tokens,
        written=ops.slice_update(state.written, [0, state.step], ops.expand_dims(tokens, 1)),
        log_probabilities=state.log_probabilities + ops.where(state.is_done, 0.0, given),
        lengths=state.lengths + 1 - ops.cast(state.is_done, "int32"),
        is_done=ops.logical_or(state.is_done, ends),
    )
