"""All of a beam search in one compiled graph; what it keeps and when it stops is `kerastx.runtime.beams`."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from kerastx.layers.kv_cache import NO_TOKEN, KeyValueCache

# The score of what is no candidate, as in `kerastx.runtime.beams`.
NOTHING = -1.0e9


class Texts(NamedTuple):
    """K texts of each row; N is the most tokens of a row."""

    tokens: Any  # int32 (B, K, N), 0 behind the end
    scores: Any  # float32 (B, K); of whole ones divided by length ** length_penalty
    lengths: Any  # int32 (B, K)


class _State(NamedTuple):
    """What goes around in the loop."""

    step: Any  # int32 (), how many tokens are written
    running: Texts
    whole: Texts  # the best first, -inf where there are not as many: divided scores may be as low as they like
    is_done: Any  # bool (B,)
    cache: KeyValueCache


class BeamLoop(keras.Model):
    """The steps of a language model or an encoder-decoder with K beams, until nothing better will come in any row.

    Args:
        model: a `LanguageModel` or `Seq2Seq`.
        num_beams: K.
        num_ends: how many tokens may end a text.

    Inputs: those of `GreedyLoop`, with written int32 (B, K, N); length_penalty float32 (); early_stopping bool ();
    begun int32 (), see `kerastx.runtime.beams.BeamSearch`.

    Outputs: of the best text of each row: int32 (B, N) of tokens, the end included, and zeros; float32 (B,), their
    log-probabilities together; int32 (B,), how many there are.
    """

    def __init__(self, model: keras.Model, *, num_beams: int, num_ends: int):
        super().__init__(name="beam_loop")
        self.model = model
        self.num_beams = num_beams
        # So many that K go on even where the best ones end with each of the end tokens.
        self.num_candidates = max(2, 1 + num_ends) * num_beams

    def call(self, inputs):
        with self.model.get_layer("vocabulary_logits").token_embedding.turned():
            return self._write(inputs)

    def _write(self, inputs):
        width = ops.shape(inputs["token_ids"])[1]
        before = ops.max(inputs["positions"], axis=1) + 1
        source = tree.map_structure(self._for_each_beam, inputs["source"])

        def body(*state):
            state = _state_of(state)
            positions = ops.where(state.is_done, NO_TOKEN, before + state.step - 1)
            last = ops.take(state.running.tokens, state.step - 1, axis=2)
            logits, cache = self.model.step(
                ops.reshape(last, (-1, 1)),
                ops.expand_dims(self._for_each_beam(positions), 1),
                state.cache,
                first_slot=width + state.step - 1,
                **source,
            )
            return self._written(state._replace(cache=cache), logits, inputs)

        def goes_on(*state):
            return ops.logical_not(ops.all(_state_of(state).is_done))

        logits, cache = self.model.step(
            inputs["token_ids"], inputs["positions"], inputs["cache"], first_slot=0, **inputs["source"]
        )
        nothing = ops.full_like(inputs["written"][:, :, 0], NOTHING, dtype="float32")
        none = ops.zeros_like(inputs["written"][:, :, 0])
        # Every beam begins as its row does; all but the first count for nothing, so that K different tokens come.
        first = ops.concatenate([ops.zeros_like(nothing[:, :1]), nothing[:, 1:]], axis=1)
        begin = _State(
            step=ops.zeros((), "int32"),
            running=Texts(inputs["written"], first, none),
            whole=Texts(inputs["written"], nothing - np.inf, none),
            is_done=inputs["room"] < 1,
            cache=tree.map_structure(self._for_each_beam, cache),
        )
        begin = self._written(begin, self._for_each_beam(logits), inputs)
        whole = _state_of(ops.while_loop(goes_on, body, tuple(begin))).whole
        lengths = whole.lengths[:, 0]
        sums = whole.scores[:, 0] * _penalty(lengths, inputs)
        return whole.tokens[:, 0], ops.where(lengths > 0, sums, 0.0), lengths

    def _for_each_beam(self, tensor):
        """Return (B * K, ...) of (B, ...), each row K times."""
        return ops.repeat(tensor, self.num_beams, axis=0)

    def _written(self, state: _State, logits, inputs) -> _State:
        """Return the state with one more token of each beam: float32 (B * K, V)."""
        candidates, parents = self._candidates(state, logits, inputs)
        length = state.step + 1
        has_ended = ops.take(inputs["is_end"], ops.take(candidates.tokens, state.step, axis=2)) > 0
        has_ended = ops.logical_or(has_ended, ops.expand_dims(length >= inputs["room"], 1))
        penalty = _penalty(length, inputs)

        # Only the K best candidates may become whole texts, and of equal texts the earlier one stays.
        count = self.num_beams
        counts = ops.logical_and(has_ended, candidates.scores > NOTHING / 2)[:, :count]
        ended = Texts(
            candidates.tokens[:, :count],
            ops.where(counts, candidates.scores[:, :count] / penalty, -np.inf),
            candidates.lengths[:, :count],
        )
        both = Texts(*(ops.concatenate(pair, axis=1) for pair in zip(state.whole, ended, strict=True)))
        _, best = ops.top_k(both.scores, count)
        whole = _unless(state.is_done, _rows(both, best), state.whole)

        # The first K that go on; ranks are floats, for top_k.
        ranks = ops.arange(self.num_candidates, dtype="float32") + self.num_candidates * ops.cast(has_ended, "float32")
        _, chosen = ops.top_k(-ranks, count)
        running = _rows(candidates, chosen)
        attainable = running.scores[:, 0] / penalty
        is_settled = ops.logical_and(
            whole.scores[:, -1] > -np.inf,
            ops.logical_or(inputs["early_stopping"], attainable <= whole.scores[:, -1]),
        )
        is_done = ops.logical_or(state.is_done, ops.logical_or(ops.all(has_ended, axis=1), is_settled))
        parents = ops.take_along_axis(parents, chosen, axis=1)
        rows = count * ops.expand_dims(ops.arange(ops.shape(parents)[0], dtype="int32"), 1) + parents
        cache = tree.map_structure(lambda cached: ops.take(cached, ops.reshape(rows, (-1,)), axis=0), state.cache)
        return _State(length, running, whole, is_done, cache)

    def _candidates(self, state: _State, logits, inputs) -> tuple[Texts, Any]:
        """Return the most probable continuations of each row's beams, best first, and whose each is: int32 (B, C)."""
        blocked = inputs["is_never"] + ops.cast(state.step < inputs["min_new_tokens"], "float32") * inputs["is_end"]
        log_probabilities = logits - ops.logsumexp(logits, axis=-1, keepdims=True) + 4 * NOTHING * blocked
        size = ops.shape(logits)[-1]
        totals = ops.reshape(log_probabilities, (-1, self.num_beams, size)) + ops.expand_dims(state.running.scores, 2)
        scores, places = ops.top_k(ops.reshape(totals, (-1, self.num_beams * size)), self.num_candidates)
        parents, tokens = ops.floor_divide(places, size), ops.mod(places, size)
        before = _rows(state.running, parents)
        # ops.slice_update takes one place for all, which is what a step has.
        written = ops.slice_update(before.tokens, [0, 0, state.step], ops.expand_dims(tokens, 2))
        return Texts(written, scores, before.lengths + 1), parents


def _penalty(length, inputs):
    """Return what the score of a text of so many new tokens is divided by."""
    return ops.power(ops.cast(ops.maximum(inputs["begun"] + length, 1), "float32"), inputs["length_penalty"])


def _state_of(values: tuple) -> _State:
    """Return the state that a loop hands around as its parts."""
    step, running, whole, is_done, cache = values
    return _State(step, Texts(*running), Texts(*whole), is_done, KeyValueCache(*cache))


def _rows(texts: Texts, places) -> Texts:
    """Return some of the texts of each row, in this order: int32 (B, R)."""
    return Texts(
        ops.take_along_axis(texts.tokens, ops.expand_dims(places, 2), axis=1),
        ops.take_along_axis(texts.scores, places, axis=1),
        ops.take_along_axis(texts.lengths, places, axis=1),
    )


def _unless(is_done, new: Texts, old: Texts) -> Texts:
    """Return new texts, but of rows that are done the old ones: bool (B,)."""
    rows = ops.expand_dims(is_done, 1)
    return Texts(
        ops.where(ops.expand_dims(rows, 2), old.tokens, new.tokens),
        ops.where(rows, old.scores, new.scores),
        ops.where(rows, old.lengths, new.lengths),
    )
