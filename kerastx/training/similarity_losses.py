"""Losses of sentence vectors: a batch holds the first texts, then the second ones, then perhaps the third ones."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# One logit is a difference of cosines times this: 1 / 0.05, the temperature of SimCSE (Gao et al., 2021).
SCALE = 20.0


@keras.saving.register_keras_serializable("kerastx")
class CoSent(keras.losses.Loss):
    """log(1 + Σ exp(s (cos_j - cos_i))) over all pairs i, j of a batch of which i is rated higher than j.

    Only the order of the ratings counts, which is what Spearman's correlation measures, so they may be of any range
    (CoSENT: Su, 2022, https://kexue.fm/archives/8847).

    Args:
        scale: s, what a difference of cosines is multiplied with.

    Call: ratings float (2B, 1), the second half repeats the first; unit vectors float (2B, D) -> (2B,), all the same.
    """

    def __init__(
        self, *, scale: float = SCALE, name: str = "cosent", reduction: str = "mean_with_sample_weight", **kwargs: Any
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.scale = scale

    def call(self, y_true, y_pred):
        rows = ops.shape(y_pred)[0] // 2
        cosines = self.scale * ops.sum(y_pred[:rows] * y_pred[rows:], axis=-1)
        ratings = y_true[:rows, 0]
        # [i, j]: how much nearer j is than i, where it should be farther; elsewhere nothing.
        nearer = ops.where(ratings[:, None] > ratings[None, :], cosines[None, :] - cosines[:, None], -1e9)
        value = ops.logsumexp(ops.concatenate([ops.zeros((1,), nearer.dtype), ops.reshape(nearer, (-1,))], axis=0))
        return ops.broadcast_to(value, (2 * rows,))

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("kerastx")
class InBatchNegatives(keras.losses.Loss):
    """-log softmax(s cos(a_i, .))[p_i]: of all second (and third) texts of a batch each first text finds its own.

    (Henderson et al., 2017, section 4.4; with hard negatives Karpukhin et al., 2020, section 3.2.)

    Args:
        texts: k, of a row: 2 for (text, positive), 3 for (text, positive, negative).
        scale: s, what cosines are multiplied with.

    Call: numbers int (kB,), of the first texts, then of the second ones, then of the third ones: texts with the same
    number are no negatives of each other; unit vectors float (kB, D) -> (kB,), the loss of a row k times.
    """

    def __init__(
        self,
        *,
        texts: int = 2,
        scale: float = SCALE,
        name: str = "in_batch_negatives",
        reduction: str = "mean_with_sample_weight",
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.texts = texts
        self.scale = scale

    def call(self, y_true, y_pred):
        rows = ops.shape(y_pred)[0] // self.texts
        numbers = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        logits = self.scale * ops.matmul(y_pred[:rows], ops.transpose(y_pred[rows:]))
        own = ops.arange(rows)[:, None] == ops.arange(rows * (self.texts - 1))[None, :]
        same = numbers[:rows, None] == numbers[rows:][None, :]
        logits = ops.where(ops.logical_and(same, ops.logical_not(own)), -1e9, logits)
        losses = ops.logsumexp(logits, axis=-1) - ops.sum(ops.where(own, logits, 0.0), axis=-1)
        return ops.tile(losses, (self.texts,))

    def get_config(self):
        return {**super().get_config(), "texts": self.texts, "scale": self.scale}
