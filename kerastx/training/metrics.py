"""Metrics by output name, for `compile(weighted_metrics=...)`."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.training.losses import flattened, largest, sparse_cross_entropy


@keras.saving.register_keras_serializable("kerastx")
class Perplexity(keras.metrics.MeanMetricWrapper):
    """exp of the mean cross-entropy in nats, over labels int32 (...) and logits float (..., V).

    The same expression as the loss: TensorFlow computes it once for both.
    """

    def __init__(self, name: str = "perplexity", **kwargs):
        super().__init__(sparse_cross_entropy, name=name, **kwargs)

    def result(self):
        return ops.exp(super().result())

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable("kerastx")
class Accuracy(keras.metrics.MeanMetricWrapper):
    """Share of positions whose largest logit is the label's, over labels int32 (...) and logits float (..., V).

    `keras.metrics.SparseCategoricalAccuracy` takes care of negative zeros, which costs four times as much here.
    """

    def __init__(self, name: str = "accuracy", **kwargs):
        super().__init__(_matches, name=name, **kwargs)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable("kerastx")
class TargetAccuracy(keras.metrics.MeanMetricWrapper):
    """`Accuracy` where the label stands before a teacher's logits: targets float (B, 1 + C)."""

    def __init__(self, name: str = "accuracy", **kwargs):
        super().__init__(_first_matches, name=name, **kwargs)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable("kerastx")
class LabelAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of (text, label) decisions that are right where any number of labels is: targets, logits float (B, C)."""

    def __init__(self, name: str = "accuracy", **kwargs):
        super().__init__(_decisions_match, name=name, **kwargs)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def _first_matches(targets, logits):
    return _matches(targets[:, 0], logits)


def _decisions_match(targets, logits):
    return ops.mean(ops.cast(ops.equal(logits > 0, targets > 0.5), "float32"), axis=-1)


def _matches(labels, logits):
    shape = ops.shape(labels)
    labels, logits = flattened(labels, logits)
    best, _ = largest(logits)
    return ops.reshape(ops.cast(ops.equal(best, labels), "float32"), shape)


def pretraining_metrics() -> dict[str, list[keras.metrics.Metric]]:
    """Return accuracy and perplexity of the masked words, accuracy of the next sentence.

    Pass them as `weighted_metrics`, so that filler positions do not count.
    """
    return {"masked_lm": [Accuracy(), Perplexity()], "next_sentence": [Accuracy()]}


def generation_metrics() -> dict[str, list[keras.metrics.Metric]]:
    """Return accuracy and perplexity of the next tokens; pass them as `weighted_metrics`."""
    return {"logits": [Accuracy(), Perplexity()]}
