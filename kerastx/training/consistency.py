"""R-Drop: what a model answers shall not hang on what dropout left out."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerastx")
class Consistency(keras.losses.Loss):
    """loss + w divergence(first copy, second copy) of each row (R-Drop: Liang et al., 2021, equations 1 to 4).

    The divergence is (KL(p || q) + KL(q || p)) / 2 of the two copies' probabilities, averaged over the classes of a
    "multi_label"; for a "regression" it is their squared difference. As the loss is the mean of both copies where the
    paper takes the sum, w is half of the paper's alpha.

    Args:
        loss: of a single copy, one value for each row.
        task: "classification", "multi_label" or "regression".
        weight: w, not below 0.

    Call: targets and answers of `classification_dataset(twice=True)`, whose second half repeats the first, each copy
    with dropout of its own: (2B, ...), (2B, C) -> (2B,).
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        *,
        task: str,
        weight: float,
        name: str = "consistency",
        reduction: str = "mean_with_sample_weight",
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        if task not in DIVERGENCES:
            raise ValueError(f"task must be one of {', '.join(DIVERGENCES)}, got {task!r}.")
        if weight < 0:
            raise ValueError(f"the weight of the consistency must not be below 0, got {weight}.")
        self.loss = loss
        self.task = task
        self.weight = weight

    def call(self, y_true, y_pred):
        rows = ops.shape(y_pred)[0] // 2
        apart = DIVERGENCES[self.task](y_pred[:rows], y_pred[rows:])
        return self.loss.call(y_true, y_pred) + self.weight * ops.concatenate([apart, apart], axis=0)

    def get_config(self):
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss, "task": self.task, "weight": self.weight}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("loss")), **config)


def _of_one_label(one, two):
    """float (B, C) logits -> float (B,) nats."""
    one, two = ops.log_softmax(one, axis=-1), ops.log_softmax(two, axis=-1)
    return 0.5 * ops.sum((ops.exp(one) - ops.exp(two)) * (one - two), axis=-1)


def _of_any_labels(one, two):
    """float (B, C) logits -> float (B,) nats. Of p and 1 - p the log ratios differ by the logits' difference."""
    return 0.5 * ops.mean((ops.sigmoid(one) - ops.sigmoid(two)) * (one - two), axis=-1)


def _of_numbers(one, two):
    return ops.mean(ops.square(one - two), axis=-1)


DIVERGENCES = {"classification": _of_one_label, "multi_label": _of_any_labels, "regression": _of_numbers}
