"""The pieces of a fine-tuning run put together: rows, model, fit, scores."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from kerastx.analysis.scoring import task_scores
from kerastx.checkpoint.answering import predicted_for
from kerastx.checkpoint.store import (
    Checkpoint,
    build_model,
    check_output,
    in_float32,
    save_checkpoint,
)
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli.console import say
from kerastx.cli.finetune_rows import DEV_FILE, FinetuneRows, check_tells_apart, class_weights, read_rows
from kerastx.cli.fit_progress import FitProgress
from kerastx.cli.run_record import record_finetuning
from kerastx.cli.teacher import load_teacher, taught
from kerastx.cli.training_request import TrainingRequest
from kerastx.data.labelled import LabelledData
from kerastx.data.pipeline import classification_dataset
from kerastx.data.similarity import similarity_dataset
from kerastx.data.unlabelled import read_unlabelled
from kerastx.data.writers import write_labelled
from kerastx.models.config import with_dropout
from kerastx.models.lora import add_lora
from kerastx.sources import load_start
from kerastx.training.baselines import baseline_score
from kerastx.training.batch_log import BatchLog
from kerastx.training.finetune import ScoreRange, finetune, freeze_layers
from kerastx.training.losses import Distillation
from kerastx.training.precision import precision, resolve_precision


@dataclass(frozen=True, kw_only=True)
class FinetuneRequest(TrainingRequest):
    """The options of `kerastx finetune classify`, `pair` and `embed`."""

    pairs: bool = False
    task: str = "classification"
    positives: bool = False
    dev_share: float = 0.0
    class_weights: str | None = None
    random_weights: bool = False
    lora_rank: int | None = None
    lora_alpha: float = 16.0
    teacher: str | None = None
    temperature: float = 2.0
    teacher_weight: float = 0.9
    unlabelled: Path | None = None
    consistency: float = 0.0
    accumulate: int = 1
    length_buckets: bool = True
    text_column: str | None = None
    pair_column: str | None = None
    label_column: str | None = None
    negative_column: str | None = None

    @property
    def row_task(self) -> str:
        """What rows hold: for vectors rated pairs, or texts that belong together."""
        if self.task != "embedding":
            return self.task
        return "positives" if self.positives else "regression"


def run_finetuning(request: FinetuneRequest) -> dict[str, float]:
    """Train, save, and return the time of training and, with dev rows, the scores beside those of the baselines."""
    _check_output(request)
    rows = read_rows(request)
    if request.task == "embedding":
        check_tells_apart(rows.train, request.batch_size)
    keras.utils.set_random_seed(request.seed)
    with precision(resolve_precision(request.precision)):
        checkpoint = _initial_checkpoint(request, rows.train.label_names)
    if request.lora_rank is not None:
        count = add_lora(checkpoint.model, rank=request.lora_rank, alpha=request.lora_alpha)
        say(f"LoRA: {count:,} of {checkpoint.model.count_params():,} weights are trained")
    freeze_layers(checkpoint.model, request.freeze, embeddings=request.freeze_embeddings)
    wall, cpu = time.monotonic(), time.process_time()
    log = _train(request, rows, checkpoint)
    times = {
        "train_seconds": time.monotonic() - wall - log.dev_seconds,
        "train_cpu_seconds": time.process_time() - cpu - log.dev_cpu_seconds,
    }
    checkpoint = in_float32(checkpoint)
    save_checkpoint(request.output, checkpoint, force=request.force)
    record_finetuning(request.output, log.rows)
    if rows.dev is None:
        return times
    if request.dev is None:
        write_labelled(request.output / DEV_FILE, rows.dev)
    return {**times, **_scores(checkpoint, rows.train, rows.dev)}


def _train(request: FinetuneRequest, rows: FinetuneRows, checkpoint: Checkpoint) -> BatchLog:
    """Fit the model of `checkpoint` in place."""
    scores = ScoreRange.of(rows.train.targets) if request.task == "regression" else None
    make = functools.partial(_dataset, request, checkpoint=checkpoint, scores=scores)
    # Held-out rows weigh the same: by plain accuracy the best pass would be the one that the weights moved least.
    weights = class_weights(request.class_weights, rows.train)
    train, held_out = _lessons(request, rows, checkpoint)
    batches = make(*train, seed=request.seed, weights=weights)
    log = BatchLog(num_examples=len(train.data), batch_size=request.batch_size)
    total = int(batches.cardinality()) * request.epochs // request.accumulate
    distillation = Distillation(temperature=request.temperature, teacher_weight=request.teacher_weight)
    finetune(
        checkpoint.model,
        batches,
        task=_training_task(request, rows.train),
        epochs=request.epochs,
        learning_rate=request.learning_rate,
        accumulate=request.accumulate,
        layer_decay=request.layer_decay,
        distillation=None if request.teacher is None else distillation,
        consistency=request.consistency,
        held_out=None if held_out is None else make(*held_out, weights=weights),
        patience=request.patience,
        callbacks=[FitProgress("finetune", lambda: total), log],
    )
    if scores is not None:
        scores.restore(checkpoint.model)
    return log


class _Lesson(NamedTuple):
    """Rows, and where there is a teacher what it says of them, float32 (N, C)."""

    data: LabelledData
    logits: np.ndarray | None = None


def _lessons(request: FinetuneRequest, rows: FinetuneRows, checkpoint: Checkpoint) -> tuple[_Lesson, _Lesson | None]:
    """Return what to train on and what to choose the best epoch by."""
    held_out = rows.held_out
    if request.teacher is None:
        return _Lesson(rows.train), None if held_out is None else _Lesson(held_out)
    teacher = load_teacher(request.teacher, rows.train.label_names, pairs=rows.train.pairs is not None)
    texts: list[str] = []
    if request.unlabelled is not None:
        texts = read_unlabelled(request.unlabelled, checkpoint.tokenizer, max_length=request.max_length)
        # What scores the model, or chooses its best epoch, is not learned from, whoever judges it.
        scored = {text for part in (held_out, rows.dev) if part is not None for text in part.texts}
        texts = [text for text in texts if text not in scored]
    train = _Lesson(*taught(teacher, rows.train, texts))
    return train, None if held_out is None else _Lesson(*taught(teacher, held_out))


def _training_task(request: FinetuneRequest, train: LabelledData) -> str:
    if not request.positives:
        return request.task
    return "positives" if train.negatives is None else "triplets"


def _check_output(request: FinetuneRequest) -> None:
    check_output(request.output, force=request.force)
    if request.teacher is not None and request.task != "classification":
        raise ValueError("--teacher is for classification; a regression and --multi-label have no teacher yet.")
    if request.unlabelled is not None and (request.teacher is None or request.pairs):
        raise ValueError(
            "--unlabelled are single texts for a --teacher to judge; give one to kerastx finetune classify."
        )
    if request.consistency and request.dropout_rate == 0:
        raise ValueError(
            "--consistency draws answers under dropout together; without dropout there is nothing to draw."
        )
    if request.freeze and request.lora_rank is not None:
        raise ValueError("--lora-rank freezes the encoder already; leave --freeze out.")


def _initial_checkpoint(request: FinetuneRequest, labels: tuple[str, ...]) -> Checkpoint:
    source = load_start(request.start)
    config = with_dropout(source.config, request.dropout_rate)
    model = build_model(request.task, config, labels)
    if not request.random_weights:
        heads = {} if source.labels == labels and source.task == request.task else {"classifier_head"}
        transfer_weights(source.model, model, leave=heads)
    return Checkpoint(
        model=model,
        tokenizer=source.tokenizer,
        config=config,
        task=request.task,
        labels=labels,
        pair=request.pairs and request.task != "embedding",
        max_length=request.max_length,
    )


def _dataset(
    request: FinetuneRequest,
    data: LabelledData,
    logits: np.ndarray | None = None,
    *,
    checkpoint: Checkpoint,
    scores: ScoreRange | None,
    seed: int | None = None,
    weights: dict[str, float] | None = None,
):
    if request.task == "embedding":
        return similarity_dataset(
            data, checkpoint.tokenizer, batch_size=request.batch_size, max_length=request.max_length, seed=seed
        )
    if scores is not None:
        data = replace(data, targets=scores.standardized(data.targets))
    return classification_dataset(
        data,
        checkpoint.tokenizer,
        batch_size=request.batch_size,
        max_length=request.max_length,
        seed=seed,
        length_buckets=request.length_buckets,
        class_weights=weights,
        teacher_logits=logits,
        twice=request.consistency > 0,
    )


def _scores(checkpoint: Checkpoint, train: LabelledData, dev: LabelledData) -> dict[str, float]:
    scores = task_scores(checkpoint.task, predicted_for(checkpoint, dev), dev)
    baseline = baseline_score(dev.task, train, dev)
    shown = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in scores.items())
    say(f"dev, {len(dev):,} rows: {shown}; {baseline.name}: {baseline.metric} {baseline.value:.4f}")
    return {"rows": len(dev), **scores, f"baseline_{baseline.metric}": baseline.value}
