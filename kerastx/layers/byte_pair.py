"""A byte-level BPE tokenizer made of tensor operations: UTF-8 bytes to token ids, all words of a text at once."""

from __future__ import annotations

import math

import keras
from keras import ops

from kerastx.layers.gathering import pick
from kerastx.layers.utf8 import code_points, from_behind, numbers, shifted_left, shifted_right, with_end

_OTHER, _LETTER, _NUMBER, _BLANK = range(4)  # classes of characters
_NOTHING = 4  # before and behind the text
_NO_RANK = 2**31 - 1
_SHORT, _LONG = ("s", "t", "m", "d"), ("re", "ve", "ll")  # behind an apostrophe they are a word


class BytePair(keras.layers.Layer):
    """Tokens of texts given as bytes, equal to those of GPT-2 (Sennrich et al., 2016; Radford et al., 2019).

    In every round the pair of the lowest rank of each word is merged, in all words at once. It has no weights and is
    not saved: whoever has the tokenizer builds it anew.

    Args:
        pages, classes, symbols, rows, slots, firsts, merged, leading, trailing, has_prefix: see
            `kerastx.text.byte_pair_tables.BytePairTables`.
        max_tokens: M; further tokens are left out.

    Call: uint8 (B, N), UTF-8, zeros behind the text -> dict of int32: see `kerastx.layers.wordpiece.WordPiece`. Zeros
    within a text are characters; those at its end cannot be told from what is behind it.
    """

    def __init__(
        self,
        *,
        pages,
        classes,
        symbols,
        rows,
        slots,
        firsts,
        merged,
        leading,
        trailing,
        has_prefix: bool,
        max_tokens: int,
        **kwargs,
    ):
        super().__init__(dtype="int32", trainable=False, **kwargs)
        self.tables = {"pages": pages, "classes": classes.reshape(-1), "symbols": symbols, "rows": rows}
        self.tables |= {"slots": slots, "firsts": firsts, "merged": merged, "leading": leading, "trailing": trailing}
        self.nothing = len(rows) - 1
        self.has_prefix = has_prefix
        self.max_tokens = max_tokens

    def call(self, text):
        text = ops.cast(text, "int32")
        is_shifted = 0
        if self.has_prefix:
            is_shifted = ops.cast((text[:, :1] != ord(" ")) & (ops.max(text, axis=1, keepdims=True) > 0), "int32")
            longer = ops.pad(text, [[0, 0], [0, 1]])
            prefixed = ops.pad(text, [[0, 0], [1, 0]], constant_values=ord(" "))
            text = ops.where(is_shifted > 0, prefixed, longer)
        size = text.shape[1]
        is_text = from_behind(text) > 0
        starts, offset, end = self._words(text, is_text)
        symbols = ops.where(is_text, self._look_up("symbols", text), self.nothing)
        symbols, following = self._merge(symbols, starts)
        alive = ops.cast(symbols != self.nothing, "int32")
        at, _ = ops.top_k(alive * (size - numbers(size)), min(size, self.max_tokens + 1))
        counts = ops.sum(ops.cast(at > 0, "int32"), axis=1, keepdims=True)
        at = size - at[:, : self.max_tokens]
        ids = pick(with_end(symbols, self.nothing), at)
        is_token = ids != self.nothing
        ids = ops.where(is_token, ids, 0)
        begins = pick(with_end(numbers(size) - offset, 0), at) - is_shifted
        ends = pick(with_end(end, 0), pick(with_end(following, size), at) - 1) - is_shifted
        begins, ends = self._trimmed(ids, ops.maximum(begins, 0), ends)
        missing = max(0, self.max_tokens - size)
        found = {"token_ids": ids, "begins": begins, "ends": ends}
        found = {
            name: ops.pad(ops.where(is_token, values, 0), [[0, 0], [0, missing]]) for name, values in found.items()
        }
        return {**found, "counts": counts}

    def _look_up(self, name: str, index):
        return ops.cast(ops.take(ops.convert_to_tensor(self.tables[name]), index, axis=0), "int32")

    def _words(self, text, is_text):
        """Cut by the pattern of GPT-2; return for each byte int32 (B, N), whether a word starts there, how far it is
        behind the first byte of its character, and where that character ends."""
        code, length, offset = code_points(text)
        kind = self._look_up("classes", self._look_up("pages", code // 256) * 256 + code % 256)
        kind = ops.where(is_text, kind, _NOTHING)
        spread = kind
        for step in (1, 2, 3):
            spread = ops.where(offset == step, shifted_right(kind, step), spread)
        before = shifted_right(spread, 1, _NOTHING)
        behind = shifted_left(kind, 1, _NOTHING)
        for step in (2, 3, 4):
            behind = ops.where(length == step, shifted_left(kind, step, _NOTHING), behind)
        after_space = shifted_right(text, 1) == ord(" ")
        blank_starts = (before != _BLANK) | ((behind != _BLANK) & (behind != _NOTHING))
        other_starts = ops.where(after_space, False, before != kind)
        starts = ops.cast(ops.where(kind == _BLANK, blank_starts, other_starts), "int32")
        begins, inside = _contractions(text, before, after_space)
        starts = ops.maximum(starts, begins) * (1 - inside)
        starts = starts * ops.cast((offset == 0) & is_text, "int32")
        place = numbers(text.shape[1])
        end = place - offset + length
        for step in (1, 2, 3):  # the length is known at the first byte
            end = ops.where(offset == step, shifted_right(end, step), end)
        return starts, offset, end

    def _merge(self, symbols, starts):
        """Merge as long as some pair of a word has a rank; return the tokens, `nothing` where none begins, and where
        the next one begins."""
        size = symbols.shape[1]
        place = numbers(size)
        word = ops.cumsum(starts, axis=1)
        following = place + 1 + 0 * symbols
        preceding = place - 1 + 0 * symbols
        word_behind = with_end(word, -1)

        def merge(symbols, following, preceding, goes_on):
            second = pick(with_end(symbols, self.nothing), following)
            is_inside = pick(word_behind, following) == word
            entry = self._look_up("rows", symbols) + ops.where(is_inside, second, self.nothing)
            number = self._look_up("slots", entry)
            is_pair = (self._look_up("firsts", number) == symbols) & is_inside
            rank = ops.where(is_pair, number, _NO_RANK)
            lowest = _lowest(rank, word)
            merges = ops.cast(is_pair & (rank == lowest), "int32")
            # Of pairs that share a token, a a a a, the first goes first.
            merges = merges * (1 - pick(with_end(merges, 0, 1), ops.where(preceding < 0, size, preceding)))
            gone = pick(with_end(merges, 0), ops.where(preceding < 0, size, preceding))
            symbols = ops.where(merges > 0, self._look_up("merged", number), symbols)
            symbols = ops.where(gone > 0, self.nothing, symbols)
            beyond = pick(with_end(following, size), following)
            next_following = ops.where(merges > 0, beyond, following)
            # What preceded a token that is gone now precedes the one behind it.
            gone_before = pick(with_end(gone, 0), ops.where(preceding < 0, size, preceding))
            before = pick(with_end(preceding, -1), ops.where(preceding < 0, size, preceding))
            next_preceding = ops.where(gone_before > 0, before, preceding)
            return symbols, next_following, next_preceding, ops.max(merges)

        state = (symbols, following, preceding, ops.max(ops.ones_like(symbols)))
        symbols, following, _, _ = ops.while_loop(
            lambda symbols, following, preceding, goes_on: goes_on > 0, merge, state, maximum_iterations=size
        )
        return symbols, following

    def _trimmed(self, ids, begins, ends):
        """Leave the blanks at the ends of tokens out, as the reference does."""
        leading, trailing = self._look_up("leading", ids), self._look_up("trailing", ids)
        if self.has_prefix:
            leading = ops.where(begins == 0, 0, leading)
        begins = ops.minimum(begins + leading, ends)
        ends = ops.where(ends >= trailing, ops.maximum(ends - trailing, begins), ends)
        return begins, ends


def _contractions(text, before, after_space):
    """Return where a word starts behind 's, 't, 're, 've, 'm, 'll or 'd, and what is inside of them; int32 (B, N)."""
    starts_here = (before != _OTHER) & ops.logical_not(after_space)
    apostrophe = (text == ord("'")) & starts_here
    first, second = shifted_left(text, 1), shifted_left(text, 2)
    is_short = is_long = ops.zeros_like(apostrophe)
    for letter in _SHORT:
        is_short = is_short | (first == ord(letter))
    for one, other in _LONG:
        is_long = is_long | ((first == ord(one)) & (second == ord(other)))
    short = ops.cast(apostrophe & is_short, "int32")
    long = ops.cast(apostrophe & is_long, "int32")
    behind = shifted_right(short, 2) + shifted_right(long, 3)
    inside = shifted_right(short + long, 1) + shifted_right(long, 2)
    return behind, inside


def _lowest(rank, word):
    """Return for every place the lowest rank of its word, by doubling the reach to both sides."""
    size = rank.shape[1]
    left = right = rank
    for step in (1 << bit for bit in range(math.ceil(math.log2(size)))):
        same = shifted_right(word, step, -1) == word
        left = ops.minimum(left, ops.where(same, shifted_right(left, step, _NO_RANK), _NO_RANK))
        same = shifted_left(word, step, -1) == word
        right = ops.minimum(right, ops.where(same, shifted_left(right, step, _NO_RANK), _NO_RANK))
    return ops.minimum(left, right)
