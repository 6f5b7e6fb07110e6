"""The tokens of one text, or of two, between special tokens, cut to a length: what an encoder reads."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from kerastx.layers.gathering import pick


class AssembleTokens(keras.layers.Layer):
    """Put tokens into a template such as [CLS] A [SEP] B [SEP], the longer of two texts cut first.

    Args:
        slots: of the template, in order: (text, token id, segment id), the text 0 or 1, or None for a special token.
        max_length: L; what does not fit is left out at the end of each text.
        pad_id: behind the last token.

    Call: for each text what `WordPiece` answers, with M of at least L (of two texts, at least as many as either can
    have) -> dict:
        token_ids, segment_ids: int32 (B, L); padding_mask: bool (B, L), True = real token.
        begins, ends: int32 (B, L), the bytes of each token in its text; 0 for special tokens.
        lengths: int32 (B, 1), real tokens.
        is_cut: bool (B, 1), whether some token was left out.
    """

    def __init__(self, *, slots: Sequence[tuple[int | None, int, int]], max_length: int, pad_id: int, **kwargs):
        super().__init__(dtype="int32", trainable=False, **kwargs)
        self.slots = tuple(slots)
        self.max_length = max_length
        self.pad_id = pad_id
        self.room = max_length - sum(text is None for text, _, _ in self.slots)
        if self.room < 1:
            raise ValueError(f"max_length must leave room for a token beside the special ones, got {max_length}.")

    def call(self, first, second=None):
        texts = [first] if second is None else [first, second]
        counts = [text["counts"] for text in texts]
        kept = self._kept(counts)
        place = ops.expand_dims(ops.arange(self.max_length, dtype="int32"), 0)
        start = 0 * counts[0]
        token_ids = segment_ids = begins = ends = start + 0 * place
        token_ids = token_ids + self.pad_id
        for text, token_id, segment_id in self.slots:
            length = 1 if text is None else kept[text]
            inside = ops.logical_and(place >= start, place < start + length)
            segment_ids = ops.where(inside, segment_id, segment_ids)
            if text is None:
                token_ids = ops.where(inside, token_id, token_ids)
            else:
                at = ops.where(inside, place - start, 0)
                token_ids = ops.where(inside, pick(texts[text]["token_ids"], at), token_ids)
                begins = ops.where(inside, pick(texts[text]["begins"], at), begins)
                ends = ops.where(inside, pick(texts[text]["ends"], at), ends)
            start = start + length
        return {
            "token_ids": token_ids,
            "segment_ids": segment_ids,
            "padding_mask": place < start,
            "begins": begins,
            "ends": ends,
            "lengths": start,
            "is_cut": sum(kept) < sum(counts),
        }

    def _kept(self, counts):
        """Return how many tokens of each text stay; as `kerastx.text.encoding.truncated_lengths`."""
        if len(counts) == 1:
            return [ops.minimum(counts[0], self.room)]
        one, other = counts
        half = self.room // 2
        shorter = ops.minimum(ops.minimum(one, other), half)
        is_first = one <= other
        fits = one + other <= self.room
        first = ops.where(fits, one, ops.where(is_first, shorter, self.room - shorter))
        second = ops.where(fits, other, ops.where(is_first, self.room - shorter, shorter))
        return [first, second]
