"""Where an answer begins and ends: one logit a token for each, and none outside of the context."""

from __future__ import annotations

import keras
from keras import ops

# Finite, so that 8-bit files stay finite; far below every logit.
MASKED_LOGIT = -1e4
# Of what is no span: far above the sum of two masked logits, so that rounding does not show.
NO_SPAN = MASKED_LOGIT / 2


def context_mask(token_ids, padding_mask, *, separator_id, separators):
    """Return which tokens are those of the context, behind the `separators`th separator: int32, bool (B, T) -> bool.

    Segment ids do not say it: RoBERTa and DistilBERT have none.
    """
    is_separator = ops.logical_and(ops.equal(token_ids, separator_id), padding_mask)
    passed = ops.cumsum(ops.cast(is_separator, "int32"), axis=1)
    inside = ops.logical_and(ops.equal(passed, separators), padding_mask)
    return ops.logical_and(inside, ops.logical_not(is_separator))


@keras.saving.register_keras_serializable("kerastx")
class SpanLogits(keras.layers.Layer):
    """The logits of begin and end, `MASKED_LOGIT` but for the context and the first token (Devlin et al., 2018, 4.2-3).

    The first token stands for "no answer here".

    Args:
        separator_id: of the token that ends question and context.
        separators: how many of it stand before the context.

    Call: logits float (B, T, 2), token_ids int32 (B, T), padding_mask bool (B, T) -> two float32 (B, T).
    """

    def __init__(self, separator_id: int, separators: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        if separator_id < 0 or separators < 1:
            raise ValueError(
                f"expected a separator's id and at least one before the context, got {separator_id=}, {separators=}."
            )
        self.separator_id = separator_id
        self.separators = separators

    def call(self, logits, token_ids, padding_mask):
        inside = context_mask(token_ids, padding_mask, separator_id=self.separator_id, separators=self.separators)
        is_first = ops.equal(ops.arange(ops.shape(token_ids)[1], dtype="int32"), 0)
        allowed = ops.cast(ops.logical_or(inside, ops.expand_dims(is_first, 0)), "float32")
        begin, end = ops.cast(logits[:, :, 0], "float32"), ops.cast(logits[:, :, 1], "float32")
        # Multiplied, not only added: the masked logit is then exact, whatever the logit was.
        return tuple(side * allowed + (1.0 - allowed) * MASKED_LOGIT for side in (begin, end))

    def compute_output_shape(self, logits_shape, *others):
        return tuple(logits_shape[:2]), tuple(logits_shape[:2])

    def get_config(self):
        config = super().get_config()
        config.pop("dtype", None)
        return {**config, "separator_id": self.separator_id, "separators": self.separators}


@keras.saving.register_keras_serializable("kerastx")
class BestSpans(keras.layers.Layer):
    """The best answers of each row: those with the largest sum of the logit of begin and that of end.

    Only spans of the context count, of 1 to W tokens: for each begin the W ends that may follow, not all T.

    Args:
        max_length: W, tokens of an answer.
        count: K, at most W.

    Call: start_logits and end_logits, float32 (B, T), of `SpanLogits` -> a dict:
        null_score: float32 (B, 1), of no answer.
        scores: float32 (B, K), the largest first; `NO_SPAN` where there are fewer spans.
        starts, ends: int32 (B, K), the first and the last token.
    """

    def __init__(self, max_length: int, count: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        if not 1 <= count <= max_length:
            raise ValueError(f"expected a count of 1 to {max_length}, got {count}.")
        self.max_length = max_length
        self.count = count

    def call(self, start_logits, end_logits):
        length = ops.shape(start_logits)[1]
        # The first token is no part of an answer; behind the row there is nothing.
        outside = ops.zeros_like(start_logits[:, :1]) + MASKED_LOGIT
        starts = ops.concatenate([outside, start_logits[:, 1:]], axis=1)
        ends = ops.concatenate([outside, end_logits[:, 1:], *[outside] * (self.max_length - 1)], axis=1)
        followers = ops.expand_dims(ops.arange(length, dtype="int32"), 1) + ops.arange(self.max_length, dtype="int32")
        band = ops.expand_dims(starts, 2) + ops.take(ends, followers, axis=1)  # (B, T, W)
        flat = ops.reshape(ops.maximum(band, NO_SPAN), (-1, length * self.max_length))
        scores, places = ops.top_k(flat, self.count)
        places = ops.cast(places, "int32")
        starts = ops.floor_divide(places, self.max_length)
        return {
            "null_score": start_logits[:, :1] + end_logits[:, :1],
            "scores": scores,
            "starts": starts,
            "ends": places - starts * (self.max_length - 1),
        }

    def compute_output_spec(self, start_logits, end_logits):
        many = (start_logits.shape[0], self.count)
        return {
            "null_score": keras.KerasTensor((many[0], 1), dtype="float32"),
            "scores": keras.KerasTensor(many, dtype="float32"),
            "starts": keras.KerasTensor(many, dtype="int32"),
            "ends": keras.KerasTensor(many, dtype="int32"),
        }

    def get_config(self):
        config = super().get_config()
        config.pop("dtype", None)
        return {**config, "max_length": self.max_length, "count": self.count}
