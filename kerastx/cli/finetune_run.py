"""The pieces of a fine-tuning run put together: rows, model, fit, scores."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastx.analysis.predict import predict_probabilities
from kerastx.analysis.scoring import classification_scores
from kerastx.checkpoint.store import (
    Checkpoint,
    build_model,
    in_float32,
    is_replaceable,
    save_checkpoint,
)
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli.console import say
from kerastx.cli.fit_progress import FitProgress
from kerastx.cli.run_record import record_finetuning
from kerastx.data.pipeline import classification_dataset
from kerastx.data.readers import LabelledData, read_labelled
from kerastx.errors import CheckpointError, DataError
from kerastx.models.config import with_dropout
from kerastx.sources import load_start
from kerastx.training.baselines import tfidf_accuracy
from kerastx.training.batch_log import BatchLog
from kerastx.training.finetune import finetune, freeze_layers
from kerastx.training.precision import precision, resolve_precision


@dataclass(frozen=True, kw_only=True)
class FinetuneRequest:
    """The options of `kerastx finetune classify`."""

    train: Path
    start: str
    output: Path
    dev: Path | None = None
    epochs: int = 3
    learning_rate: float = 3e-4
    batch_size: int = 32
    max_length: int = 128
    limit: int | None = None
    random_weights: bool = False
    precision: str = "auto"
    accumulate: int = 1
    freeze: int = 0
    dropout_rate: float | None = None
    length_buckets: bool = True
    text_column: str | None = None
    label_column: str | None = None
    seed: int = 1
    force: bool = False


def run_finetuning(request: FinetuneRequest) -> dict[str, float]:
    """Train, save, and return the time of training and, with dev rows, the scores beside those of the baselines."""
    if request.output.exists() and not request.force:
        raise CheckpointError(f"{request.output} exists; choose another output or use --force")
    if not is_replaceable(request.output):
        raise CheckpointError(f"{request.output} is not a kerastx checkpoint; it is not replaced")
    columns: dict[str, Any] = {"text_column": request.text_column, "label_column": request.label_column}
    train = read_labelled(request.train, **columns)
    if len(train.label_names) < 2:
        raise DataError(f"{request.train}: expected at least 2 labels, got only {train.label_names}")
    dev = read_labelled(request.dev, labels=train.label_names, **columns) if request.dev else None
    if request.limit is not None:
        train = sample_rows(train, request.limit, seed=request.seed)
    keras.utils.set_random_seed(request.seed)
    with precision(resolve_precision(request.precision)):
        checkpoint = _initial_checkpoint(request, train.label_names)
    freeze_layers(checkpoint.model, request.freeze)
    dataset = _dataset(request, train, checkpoint, seed=request.seed)
    validation = None if dev is None else _dataset(request, dev, checkpoint)
    total = int(dataset.cardinality()) * request.epochs // request.accumulate
    log = BatchLog(num_examples=len(train), batch_size=request.batch_size)
    wall, cpu = time.monotonic(), time.process_time()
    finetune(
        checkpoint.model,
        dataset,
        task="classification",
        epochs=request.epochs,
        learning_rate=request.learning_rate,
        accumulate=request.accumulate,
        held_out=validation,
        callbacks=[FitProgress("finetune", lambda: total), log],
    )
    times = {
        "train_seconds": time.monotonic() - wall - log.dev_seconds,
        "train_cpu_seconds": time.process_time() - cpu - log.dev_cpu_seconds,
    }
    checkpoint = in_float32(checkpoint)
    save_checkpoint(request.output, checkpoint, force=request.force)
    record_finetuning(request.output, log.rows)
    return times if dev is None else {**times, **_scores(checkpoint, train, dev)}


def _dataset(request: FinetuneRequest, data: LabelledData, checkpoint: Checkpoint, *, seed: int | None = None):
    return classification_dataset(
        data,
        checkpoint.tokenizer,
        batch_size=request.batch_size,
        max_length=request.max_length,
        seed=seed,
        length_buckets=request.length_buckets,
    )


def sample_rows(data: LabelledData, count: int, *, seed: int) -> LabelledData:
    """Draw `count` rows without replacement; all rows when there are not more."""
    rows = np.random.default_rng(seed).permutation(len(data.texts))[:count]
    return LabelledData(
        texts=[data.texts[row] for row in rows],
        labels=[data.labels[row] for row in rows],
        label_names=data.label_names,
        targets=data.targets[rows],
    )


def _initial_checkpoint(request: FinetuneRequest, labels: tuple[str, ...]) -> Checkpoint:
    source = load_start(request.start)
    config = with_dropout(source.config, request.dropout_rate)
    model = build_model("classification", config, labels)
    if not request.random_weights:
        heads = {} if source.labels == labels else {"classifier_head"}
        transfer_weights(source.model, model, leave=heads)
    return Checkpoint(
        model=model,
        tokenizer=source.tokenizer,
        config=config,
        task="classification",
        labels=labels,
        max_length=request.max_length,
    )


def _scores(checkpoint: Checkpoint, train: LabelledData, dev: LabelledData) -> dict[str, float]:
    predicted = predict_probabilities(checkpoint, dev.texts).argmax(-1)
    scores = classification_scores(predicted, dev.targets, len(dev.label_names))
    scores["tfidf_accuracy"] = tfidf_accuracy(train.texts, train.targets, dev.texts, dev.targets)
    say(
        f"dev accuracy {scores['accuracy']:.4f} on {len(dev.texts):,} rows "
        f"(majority {scores['majority_share']:.4f}, TF-IDF + logistic regression {scores['tfidf_accuracy']:.4f}), "
        f"macro F1 {scores['macro_f1']:.4f}"
    )
    return {"rows": len(dev.texts), **scores}
