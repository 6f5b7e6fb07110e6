"""The pieces of training a span extractor put together: questions, model, fit, exact match and F1."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from kerastx.analysis.question_scores import best_threshold, question_scores
from kerastx.checkpoint.spans import answer_questions
from kerastx.checkpoint.store import Checkpoint, check_output, in_float32, save_checkpoint
from kerastx.checkpoint.tasks import build_model
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli.console import in_parts, say
from kerastx.cli.dev_rows import read_questions_aloud
from kerastx.cli.run_record import record_finetuning
from kerastx.cli.training_request import SMALLEST_HOLD_OUT, TrainingRequest
from kerastx.cli.windowed_fit import fit_windows
from kerastx.data.hold_out import held_rows
from kerastx.data.questions import QuestionData
from kerastx.data.spans import span_dataset
from kerastx.errors import DataError
from kerastx.models.config import with_dropout
from kerastx.sources import load_start
from kerastx.text.question_windows import SpanSettings
from kerastx.training.batch_log import BatchLog
from kerastx.training.finetune import freeze_layers
from kerastx.training.precision import precision, resolve_precision


@dataclass(frozen=True, kw_only=True)
class SpanRequest(TrainingRequest):
    """The options of `kerastx finetune span`."""

    stride: int = 128
    max_answer: int = 30


def run_span(request: SpanRequest) -> dict[str, float]:
    """Train, save, and return the time of training and, with dev questions, exact match and F1."""
    check_output(request.output, force=request.force)
    train, held_out = _parts(request, _trainable(request.train, read_questions_aloud(request.train)))
    dev = None if request.dev is None else read_questions_aloud(request.dev)
    keras.utils.set_random_seed(request.seed)
    with precision(resolve_precision(request.precision)):
        checkpoint = _initial_checkpoint(request)
    freeze_layers(checkpoint.model, request.freeze, embeddings=request.freeze_embeddings)
    started = time.monotonic(), time.process_time()
    log = _fit(request, checkpoint, train, held_out)
    times = {
        "train_seconds": time.monotonic() - started[0] - log.dev_seconds,
        "train_cpu_seconds": time.process_time() - started[1] - log.dev_cpu_seconds,
    }
    checkpoint = _with_threshold(in_float32(checkpoint), train, held_out)
    save_checkpoint(request.output, checkpoint, force=request.force)
    record_finetuning(request.output, log.rows)
    return times if dev is None else {**times, **_scores(checkpoint, dev)}


def _trainable(path: Path, data: QuestionData) -> QuestionData:
    """Return the questions to learn from; DataError where no answer is a part of its context."""
    data = data.trainable()
    if not any(question.answers for question in data.questions):
        raise DataError(f"{path}: expected some answer that is part of its context, got none")
    return data


def _parts(request: SpanRequest, train: QuestionData) -> tuple[QuestionData, QuestionData | None]:
    if request.limit is not None:
        train = train.subset(np.random.default_rng(request.seed).permutation(len(train))[: request.limit])
    contexts = [question.context for question in train.questions]
    if request.hold_out * len(train) < SMALLEST_HOLD_OUT or len(set(contexts)) < 2:
        return train, None
    # The questions to a context stay together: its other answers would give the held-out ones away.
    held = held_rows(contexts, request.hold_out, salt="hold-out")
    return train.subset(np.flatnonzero(~held)), train.subset(np.flatnonzero(held))


def _initial_checkpoint(request: SpanRequest) -> Checkpoint:
    source = load_start(request.start)
    config = with_dropout(source.config, request.dropout_rate)
    model = build_model("span", config, tokenizer=source.tokenizer)
    transfer_weights(source.model, model, leave=() if source.task == "span" else ("span_head",))
    return Checkpoint(
        model=model,
        tokenizer=source.tokenizer,
        config=config,
        task="span",
        max_length=request.max_length,
        span=SpanSettings(stride=request.stride, max_answer_tokens=request.max_answer),
    )


def _fit(request: SpanRequest, checkpoint: Checkpoint, train: QuestionData, held_out: QuestionData | None) -> BatchLog:
    sizes = {"batch_size": request.batch_size, "max_length": checkpoint.max_length, "stride": request.stride}
    batches = span_dataset(train, checkpoint.tokenizer, seed=request.seed, tell=say, **sizes)
    chosen_by = None if held_out is None else span_dataset(held_out, checkpoint.tokenizer, tell=say, **sizes)
    return fit_windows(request, checkpoint.model, "span", batches, chosen_by)


def _with_threshold(checkpoint: Checkpoint, train: QuestionData, held_out: QuestionData | None) -> Checkpoint:
    """Let a model that has seen questions without an answer say so: from where on, held-out questions choose."""
    if checkpoint.span is None or not train.has_unanswerable:
        return checkpoint
    settings = replace(checkpoint.span, no_answer_threshold=0.0)
    answering = replace(checkpoint, span=settings)
    if held_out is None or not held_out.has_unanswerable:
        return answering
    threshold = best_threshold(lambda *rows: answer_questions(answering, *rows), held_out)
    return replace(checkpoint, span=replace(settings, no_answer_threshold=threshold))


def _scores(checkpoint: Checkpoint, dev: QuestionData) -> dict[str, float]:
    answer = in_parts(lambda *rows: answer_questions(checkpoint, *rows), f"answering {len(dev):,} dev questions")
    scores = question_scores(answer, dev)
    shown = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in scores.items())
    say(f"dev, {len(dev):,} questions: {shown}")
    return {"rows": len(dev), **scores}
