"""Fine-tuning a classifier: `Model.fit` from a pretrained encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerastx.training.callbacks import StopOnNaN
from kerastx.training.losses import cross_entropy
from kerastx.training.metrics import Accuracy
from kerastx.training.optimizers import adamw


def finetune_classifier(
    model: keras.Model,
    dataset: Any,
    *,
    epochs: int,
    learning_rate: float,
    accumulate: int = 1,
    validation: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, float]:
    """Train `build_classifier`'s model and return the logs of the last epoch.

    Args:
        model: of `build_classifier`.
        dataset: finite tf.data of (inputs, {"logits": int32 (B,)}), with a known cardinality.
        epochs: passes over it.
        learning_rate: peak of the schedule.
        accumulate: batches that make one update; what is left at the end and fills none is not learned from.
        validation: finite tf.data of the same, scored after each pass, or None.
        callbacks: to show progress.
    """
    batches = int(dataset.cardinality()) * epochs
    if accumulate > batches:
        raise ValueError(f"accumulate must be at most the {batches} batches of the training, got {accumulate}.")
    updates = batches // accumulate
    model.compile(
        adamw(learning_rate, updates, accumulate=accumulate),
        loss={"logits": cross_entropy()},
        weighted_metrics={"logits": [Accuracy()]},
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


def freeze_layers(model: keras.Model, count: int) -> None:
    """Leave the embeddings and the first `count` encoder blocks as they are: nothing below them is differentiated.

    Raises:
        ValueError: the model has fewer blocks.
    """
    blocks = [layer for layer in model.layers if layer.name.startswith("encoder_block_")]
    if not 0 <= count <= len(blocks):
        raise ValueError(f"expected 0 to {len(blocks)} frozen encoder blocks, got {count}.")
    if count:
        frozen = [model.get_layer("token_embedding"), model.get_layer("input_embeddings"), *blocks[:count]]
        for layer in frozen:
            layer.trainable = False
