"""The pieces of a pretraining run put together: store, model, plan, fit."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from kerastx.checkpoint.progress import recorded_settings, step_folders
from kerastx.checkpoint.store import Checkpoint, is_replaceable, read_config
from kerastx.cli import bad_batch
from kerastx.cli.console import say
from kerastx.cli.fit_progress import FitProgress
from kerastx.cli.pretrain_causal import causal_lesson
from kerastx.cli.pretrain_masked import masked_lesson
from kerastx.cli.pretrain_request import Lesson, PretrainRequest
from kerastx.cli.run_record import PretrainingRecord, is_record
from kerastx.data.store import TokenStore, open_store
from kerastx.data.wait import WaitMeter
from kerastx.errors import CheckpointError, DataError
from kerastx.locks import locked
from kerastx.training.callbacks import InputWait
from kerastx.training.precision import precision, resolve_precision
from kerastx.training.pretrain import PretrainingPlan, pretrain

VALIDATION_BATCHES = 20
REPORT_EVERY = 50
COSTS = {"wait_share": "of the last row's time waiting for batches", "checkpoint_share": "of the time saving"}


def run_pretraining(request: PretrainRequest) -> dict[str, float]:
    """Train, save and say how good the model became; return the last logs."""
    store = open_store(request.data)
    _check_output(request)
    request = replace(request, precision=_precision(request))
    say(f"training in {request.precision}")
    lesson = (causal_lesson if _writes(request) else masked_lesson)(request, store)
    keras.utils.set_random_seed(request.seed)
    with precision(request.precision):
        checkpoint = lesson.build()
    validation = _validation(lesson)
    lesson.batches()  # complains before anything is replaced
    busy = f"{request.output}: another process is training this run; wait for it, or choose another output"
    request.output.parent.mkdir(parents=True, exist_ok=True)
    with locked(request.output.with_name(f".{request.output.name}.lock"), busy=busy):
        _claim_output(request)
        logs = _train(request, store, checkpoint, lesson, validation)
    say(describe_result(request.output, logs, store, lesson))
    return logs


def _train(request: PretrainRequest, store: TokenStore, checkpoint: Checkpoint, lesson: Lesson, validation):
    record = PretrainingRecord(request.output, {"unigram_entropy": store.unigram_entropy})
    meter = WaitMeter()
    logs = pretrain(
        checkpoint,
        request.output,
        _plan(request, store, checkpoint, lesson),
        dataset=lambda first: meter.watch(lesson.batches(start_step=first)),
        validation=validation,
        resume=request.resume,
        measures=[InputWait(lambda: meter.seconds)],
        callbacks=[
            FitProgress("pretrain", lambda: checkpoint.model.optimizer._learning_rate.total_steps),
            *record.callbacks,
        ],
        explain=lesson.explain,
        facts={"unigram_entropy": store.unigram_entropy},
        say=say,
    )
    record.finish(logs)
    return logs


def _plan(request: PretrainRequest, store: TokenStore, checkpoint: Checkpoint, lesson: Lesson) -> PretrainingPlan:
    learning_rate = lesson.learning_rate if request.learning_rate is None else request.learning_rate
    return PretrainingPlan(
        steps=request.steps,
        minutes=request.minutes,
        learning_rate=learning_rate,
        batch_size=request.batch_size,
        max_length=request.max_length,
        accumulate=request.accumulate,
        # A resume needs a row end to be a checkpoint: rows are as long as they can be and still divide save_every.
        report_every=math.gcd(request.save_every or REPORT_EVERY, REPORT_EVERY),
        save_every=request.save_every,
        keep=request.keep,
        settings={
            **_settings(request, store),
            "learning_rate": learning_rate,
            **lesson.settings(checkpoint),
        },
    )


def _writes(request: PretrainRequest) -> bool:
    """Whether a language model is trained: the preset's family says so, or the checkpoint to go on from."""
    if request.start is not None:
        return read_config(request.start).get("task") == "language_model"
    return "-" in request.preset


def _precision(request: PretrainRequest) -> str:
    """Return what to train in; a resumed run goes on as it began, on whatever machine."""
    if request.resume and request.precision == "auto":
        recorded = recorded_settings(request.output).get("precision")
        return resolve_precision(recorded or "auto")
    return resolve_precision(request.precision)


def describe_result(output: Path, logs: dict[str, float], store: TokenStore, lesson: Lesson) -> str:
    """Return one line: steps, time and the loss beside the unigram entropy."""
    held_out = f", held out {logs[f'val_{lesson.loss}']:.3f}" if f"val_{lesson.loss}" in logs else ""
    loss = f"{lesson.named} {logs[lesson.loss]:.3f}{held_out} nats" if lesson.loss in logs else "no step left"
    costs = [f"{logs[name]:.1%} {what}" for name, what in COSTS.items() if name in logs]
    return (
        f"{output}: {logs['steps']:,} steps in {logs['seconds'] / 60:.1f} min, {loss} "
        f"(unigram entropy {store.unigram_entropy:.3f})" + "".join(f"; {cost}" for cost in costs)
    )


def _settings(request: PretrainRequest, store: TokenStore) -> dict[str, Any]:
    """What a resumed run must share with the run that it continues, whatever it trains."""
    return {
        "data_sha256": store.sha256,
        "steps": request.steps,
        "minutes": request.minutes,
        "batch_size": request.batch_size,
        "max_length": request.max_length,
        "precision": request.precision,
        "accumulate": request.accumulate,
        "save_every": request.save_every,
        "seed": request.seed,
    }


def _validation(lesson: Lesson):
    try:
        return lesson.batches(split="validation").take(VALIDATION_BATCHES)
    except DataError as error:
        say(f"no held-out score: {error}")
        return None


def _check_output(request: PretrainRequest) -> None:
    output = request.output
    if request.resume and output.exists() and not _is_run(output):
        raise CheckpointError(f"{output} is not a kerastx run, there is nothing to resume; choose another output")
    if output.exists() and not request.resume:
        if not request.force:
            raise CheckpointError(f"{output} exists; continue it with --resume, or replace it with --force")
        if not (is_replaceable(output) or step_folders(output)):
            raise CheckpointError(f"{output} is not a kerastx run; it is not replaced")


def _is_run(output: Path) -> bool:
    """Whether a run was started here: it has steps, or was cut before the first of them."""
    if not output.is_dir():
        return False
    known = {"steps", bad_batch.FILE}
    return bool(step_folders(output)) or all(path.name in known or is_record(path.name) for path in output.iterdir())


def _claim_output(request: PretrainRequest) -> None:
    if request.output.exists() and not request.resume:
        shutil.rmtree(request.output)
    request.output.mkdir(parents=True, exist_ok=True)
