"""Metrics by output name, for `compile(weighted_metrics=...)`."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerastx")
class Perplexity(keras.metrics.Metric):
    """exp of the mean cross-entropy in nats, over labels int32 (...) and logits float (..., V)."""

    def __init__(self, name: str = "perplexity", **kwargs):
        super().__init__(name=name, **kwargs)
        self.entropy = keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="entropy")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.entropy.update_state(y_true, y_pred, sample_weight)

    def result(self):
        return ops.exp(self.entropy.result())

    def reset_state(self):
        self.entropy.reset_state()


def pretraining_metrics() -> dict[str, list[keras.metrics.Metric]]:
    """Return accuracy and perplexity of the masked words, accuracy of the next sentence.

    Pass them as `weighted_metrics`, so that filler positions do not count.
    """
    return {
        "masked_lm": [keras.metrics.SparseCategoricalAccuracy(name="accuracy"), Perplexity()],
        "next_sentence": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    }
