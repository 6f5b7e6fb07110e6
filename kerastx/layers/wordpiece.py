"""A WordPiece tokenizer made of tensor operations: UTF-8 bytes to token ids, every text and every byte at once."""

from __future__ import annotations

import math
from typing import NamedTuple

import keras
from keras import ops

from kerastx.layers.gathering import pick
from kerastx.layers.utf8 import code_points, numbers, shifted_right, with_end

_LETTER, _ALONE = 1, 2  # kinds of units; 0 is removed, 3 a space


class _Units(NamedTuple):
    """Normalised characters, packed to the left, int32 (B, N) each; kind and letter 0 behind the last."""

    letter: keras.KerasTensor
    kind: keras.KerasTensor
    begin: keras.KerasTensor  # bytes of the character that a unit was made from: text[begin:end]
    end: keras.KerasTensor


class _Matches(NamedTuple):
    """The token that would begin at each unit, int32 (B, N) each."""

    ids: keras.KerasTensor
    last: keras.KerasTensor  # its last unit
    following: keras.KerasTensor  # where the next token begins, N behind the last one


class WordPiece(keras.layers.Layer):
    """Tokens of texts given as bytes, equal to those of BERT's WordPiece (Devlin et al., 2018; Song et al., 2021).

    No loop over tokens: the longest token from every unit on is found by walking a trie from all of them at once, and
    which of these begin a token by doubling the steps from token to token. It has no weights and is not saved: whoever
    has the tokenizer builds it anew.

    Args:
        groups, pages, units, expansions, check, base, ids, lengths, longest, longest_word, unknown_id: see
            `kerastx.text.graph_tables.WordPieceTables`.
        max_tokens: M; further tokens are left out.

    Call: uint8 (B, N), UTF-8, zeros behind the text, N of any size -> dict of int32:
        token_ids: (B, M), without special tokens; 0 behind the last.
        begins, ends: (B, M), the bytes of each token.
        counts: (B, 1), how many tokens there are, at most M + 1, which says that some were left out.
    """

    def __init__(
        self,
        *,
        groups,
        pages,
        units,
        expansions,
        check,
        base,
        ids,
        lengths,
        longest: int,
        longest_word: int,
        unknown_id: int,
        max_tokens: int,
        **kwargs,
    ):
        super().__init__(dtype="int32", trainable=False, **kwargs)
        self.tables = {"groups": groups, "pages": pages.reshape(-1), "units": units.reshape(-1)}
        self.tables |= {"expansions": expansions}
        self.tables |= {"check": check, "base": base, "ids": ids, "lengths": lengths}
        self.page = units.shape[1]
        self.width = expansions.shape[1]
        self.longest = longest
        self.longest_word = longest_word
        self.unknown_id = unknown_id
        self.max_tokens = max_tokens

    def call(self, text):
        size = ops.shape(text)[1]
        text = ops.cast(text, "int32")
        units = self._units(text, size)
        matches, first = self._matches(units, size)
        count = min(self.max_tokens, text.shape[1] or self.max_tokens)  # a token has a byte at least
        at = _chain(first, matches.following, size, count + 1)
        counts = ops.sum(ops.cast(at < size, "int32"), axis=1, keepdims=True)
        at = at[:, :count]
        last = pick(with_end(matches.last, 0), at)
        found = {
            "token_ids": pick(with_end(matches.ids, 0), at),
            "begins": pick(with_end(units.begin, 0), at),
            "ends": pick(with_end(units.end, 0), last) * ops.cast(at < size, "int32"),
        }
        if count < self.max_tokens:
            found = {name: with_end(values, 0, self.max_tokens - count) for name, values in found.items()}
        return {**found, "counts": counts}

    def _look_up(self, name: str, index):
        return ops.cast(ops.take(ops.convert_to_tensor(self.tables[name]), index, axis=0), "int32")

    def _units(self, text, size) -> _Units:
        """Normalise every character by table, and leave out what is removed."""
        code, length, _ = code_points(text)
        number = code // self.page
        group = self._look_up("groups", number // self.page)
        page = self._look_up("pages", group * self.page + number % self.page)
        unit = self._look_up("units", page * self.page + code % self.page)
        several = self._look_up("expansions", ops.maximum(0 - unit, 0))
        alone = ops.expand_dims(ops.maximum(unit, 0), -1)
        found = several + ops.pad(alone, [[0, 0], [0, 0], [0, self.width - 1]])
        found = ops.reshape(found, (-1, size * self.width))
        places = size * self.width - numbers(size * self.width)
        _, places = ops.top_k(ops.where(found > 0, places, 0), size)
        places = ops.cast(places, "int32")
        found = pick(found, places)
        begin = places // self.width
        kind = found % 4
        return _Units(found // 4, kind, begin, begin + pick(length, begin))

    def _matches(self, units: _Units, size) -> tuple[_Matches, keras.KerasTensor]:
        """Return the matches, and where the first token begins, (B, 1)."""
        in_word = ops.cast(units.kind == _LETTER, "int32")
        goes_on = in_word * shifted_right(in_word, 1)
        starts = ops.cast((units.kind == _LETTER) | (units.kind == _ALONE), "int32") - goes_on
        inside = ops.cumsum(goes_on, axis=1)
        # A letter that no token has makes a word unknown.
        too_far = goes_on * ops.cast(inside - shifted_right(inside, self.longest_word) == self.longest_word, "int32")
        letters = units.letter * (1 - too_far)
        ids, length = self._longest(letters, starts, goes_on)
        place = numbers(size)
        landing = place + length
        lands_inside = pick(with_end(goes_on, 0, self.longest), landing) > 0
        # The word's chain of tokens ends at N, where all is well, or at N + 1, where some unit begins no token.
        step = ops.where(length == 0, size + 1, ops.where(lands_inside, landing, size))
        goal = with_end(with_end(step, size), size + 1)
        for _ in range(_doublings(self.longest_word)):
            goal = pick(goal, goal)
        is_unknown = pick(goal, step) > size
        words, next_word = _next_starts(starts, size)
        rest = pick(inside, next_word - 1) - inside  # of the word, behind its first unit
        matches = _Matches(
            ids=ops.where(is_unknown, self.unknown_id, ids),
            last=place + ops.where(is_unknown, rest, ops.maximum(length, 1) - 1),
            following=ops.where(is_unknown, next_word, ops.where(lands_inside, landing, next_word)),
        )
        return matches, words[:, :1]

    def _longest(self, letters, starts, goes_on):
        """Return id and length of the longest token from each unit on, 0 and 0 where there is none."""
        ahead = ops.pad(letters * goes_on, [[0, 0], [0, self.longest]])
        state = starts + 2 * goes_on
        size = ops.shape(letters)[1]
        # Counted on from step to step: a slice of the letters for each would take three times as long in LiteRT.
        at = ops.where(state > 0, numbers(size), size)
        base = ops.abs(self._look_up("base", state))
        ending = ops.zeros_like(state)
        for step in range(self.longest):
            if step:
                at = at + 1
            target = base + (pick(ahead, at) if step else letters)
            state = ops.where(self._look_up("check", target) == state, target, 0)
            found = self._look_up("base", state)
            ending = ops.where(found < 0, state, ending)
            base = ops.abs(found)
        ids = self._look_up("ids", ending)
        return ids, self._look_up("lengths", ids)


def _next_starts(starts, size):
    """Return the places of the words, N behind the last, (B, N), and for each unit the next word behind it."""
    place = numbers(size)
    found, _ = ops.top_k(ops.where(starts > 0, size - place, 0), size)
    words = size - found
    return words, pick(with_end(words, size), ops.cumsum(starts, axis=1))


def _chain(first, following, size, count: int):
    """Return the places first, following[first], ..., N behind the last: (B, 1), (B, N) -> (B, count)."""
    at = first + 0 * numbers(count)
    jump = with_end(following, size)
    for bit in range(max(1, math.ceil(math.log2(count)))):
        if bit:
            jump = pick(jump, jump)
        goes = ops.convert_to_tensor([[number >> bit & 1 > 0 for number in range(count)]])
        at = ops.where(goes, pick(jump, at), at)
    return at


def _doublings(count: int) -> int:
    return math.ceil(math.log2(count + 1))
