"""Fitting a model to windows of texts, which are more rows than there are texts."""

from __future__ import annotations

from typing import Any

import keras

from kerastx.cli.fit_progress import FitProgress
from kerastx.cli.training_request import TrainingRequest
from kerastx.training.batch_log import BatchLog
from kerastx.training.finetune import finetune


def fit_windows(request: TrainingRequest, model: keras.Model, task: str, batches: Any, held_out: Any) -> BatchLog:
    """Train a model in place and return its log.

    Args:
        request: of the run.
        model: of the task.
        task: "tagging" or "span".
        batches, held_out: tf.data of known cardinality; held_out None where no rows choose the best epoch.
    """
    total = int(batches.cardinality()) * request.epochs
    log = BatchLog(num_examples=int(batches.cardinality()) * request.batch_size, batch_size=request.batch_size)
    finetune(
        model,
        batches,
        task=task,
        epochs=request.epochs,
        learning_rate=request.learning_rate,
        layer_decay=request.layer_decay,
        held_out=held_out,
        patience=request.patience,
        callbacks=[FitProgress("finetune", lambda: total), log],
    )
    return log
