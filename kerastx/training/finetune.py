"""Fine-tuning a classifier: `Model.fit` from a pretrained encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerastx.training.callbacks import StopOnNaN
from kerastx.training.losses import cross_entropy
from kerastx.training.optimizers import adamw


def finetune_classifier(
    model: keras.Model,
    dataset: Any,
    *,
    epochs: int,
    learning_rate: float,
    validation: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, float]:
    """Train `build_classifier`'s model and return the logs of the last epoch.

    Args:
        model: of `build_classifier`.
        dataset: finite tf.data of (inputs, {"logits": int32 (B,)}), with a known cardinality.
        epochs: passes over it.
        learning_rate: peak of the schedule.
        validation: finite tf.data of the same, scored after each pass, or None.
        callbacks: to show progress.
    """
    steps = int(dataset.cardinality())
    model.compile(
        adamw(learning_rate, steps * epochs),
        loss={"logits": cross_entropy()},
        weighted_metrics={"logits": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
        jit_compile=False,
    )
    history = model.fit(
        dataset,
        epochs=epochs,
        validation_data=validation,
        callbacks=[StopOnNaN(), *callbacks],
        verbose=0,
        shuffle=False,  # the dataset is shuffled already
    )
    return {name: values[-1] for name, values in history.history.items()}
