"""A run with checkpoints on the way: a lesson is trained, saved, and said how good it became."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import keras

from kerastx.checkpoint.progress import recorded_settings, step_folders
from kerastx.checkpoint.store import Checkpoint, is_replaceable
from kerastx.cli import bad_batch
from kerastx.cli.console import say
from kerastx.cli.fit_progress import FitProgress
from kerastx.cli.lesson import Lesson, RunRequest
from kerastx.cli.run_record import PretrainingRecord, is_record
from kerastx.data.wait import WaitMeter
from kerastx.errors import CheckpointError
from kerastx.locks import locked
from kerastx.training.callbacks import InputWait
from kerastx.training.precision import precision, resolve_precision
from kerastx.training.pretrain import PretrainingPlan, pretrain

REPORT_EVERY = 50
COSTS = {"wait_share": "of the last row's time waiting for batches", "checkpoint_share": "of the time saving"}


def run_lesson(request: RunRequest, lesson: Lesson) -> tuple[Checkpoint, dict[str, float]]:
    """Train and save what `check_run_output` allows; return the checkpoint and the last logs."""
    number_format = _precision(request)
    say(f"training in {number_format}")
    keras.utils.set_random_seed(request.seed)
    with precision(number_format):
        checkpoint = lesson.build()
    lesson.dataset(0)  # complains before anything is replaced
    busy = f"{request.output}: another process is training this run; wait for it, or choose another output"
    request.output.parent.mkdir(parents=True, exist_ok=True)
    with locked(request.output.with_name(f".{request.output.name}.lock"), busy=busy):
        _claim_output(request)
        logs = _train(request, lesson, checkpoint, number_format)
    say(describe_result(request.output, logs, lesson))
    return checkpoint, logs


def check_run_output(request: RunRequest) -> None:
    """Raise CheckpointError where a run could not write, or would replace what it must not."""
    output = request.output
    if request.resume and output.exists() and not _is_run(output):
        raise CheckpointError(f"{output} is not a kerastx run, there is nothing to resume; choose another output")
    if output.exists() and not request.resume:
        if not request.force:
            raise CheckpointError(f"{output} exists; continue it with --resume, or replace it with --force")
        if not (is_replaceable(output) or step_folders(output)):
            raise CheckpointError(f"{output} is not a kerastx run; it is not replaced")


def describe_result(output: Path, logs: dict[str, float], lesson: Lesson) -> str:
    """Return one line: steps, time and the loss, beside the unigram entropy where it is known."""
    name, named = lesson.loss
    held_out = f", held out {logs[f'val_{name}']:.3f}" if f"val_{name}" in logs else ""
    loss = f"{named} {logs[name]:.3f}{held_out} nats" if name in logs else "no step left"
    entropy = f" (unigram entropy {logs['unigram_entropy']:.3f})" if "unigram_entropy" in logs else ""
    costs = [f"; {logs[name]:.1%} {what}" for name, what in COSTS.items() if name in logs]
    return f"{output}: {logs['steps']:,} steps in {logs['seconds'] / 60:.1f} min, {loss}{entropy}{''.join(costs)}"


def _train(request: RunRequest, lesson: Lesson, checkpoint: Checkpoint, number_format: str) -> dict[str, float]:
    record = PretrainingRecord(request.output, lesson.facts)
    meter = WaitMeter()
    logs = pretrain(
        checkpoint,
        request.output,
        _plan(request, lesson, checkpoint, number_format),
        dataset=lambda first: meter.watch(lesson.dataset(first)),
        validation=lesson.validation,
        resume=request.resume,
        measures=[InputWait(lambda: meter.seconds)],
        callbacks=[
            FitProgress(lesson.title, lambda: checkpoint.model.optimizer._learning_rate.total_steps),
            *record.callbacks,
        ],
        explain=lesson.explain,
        facts=lesson.facts,
        say=say,
    )
    record.finish(logs)
    return logs


def _plan(request: RunRequest, lesson: Lesson, checkpoint: Checkpoint, number_format: str) -> PretrainingPlan:
    learning_rate = lesson.learning_rate if request.learning_rate is None else request.learning_rate
    return PretrainingPlan(
        steps=request.steps,
        minutes=request.minutes,
        learning_rate=learning_rate,
        tokens_per_batch=lesson.tokens_per_batch,
        accumulate=request.accumulate,
        label_smoothing=lesson.label_smoothing,
        average=lesson.average,
        # A resume needs a row end to be a checkpoint: rows are as long as they can be and still divide save_every.
        report_every=math.gcd(request.save_every or REPORT_EVERY, REPORT_EVERY),
        save_every=request.save_every,
        keep=request.keep,
        settings={
            **_settings(request),
            "learning_rate": learning_rate,
            "precision": number_format,
            **lesson.settings(checkpoint),
        },
    )


def _settings(request: RunRequest) -> dict[str, Any]:
    """What a resumed run must share with the run that it continues, whatever it trains."""
    return {
        "steps": request.steps,
        "minutes": request.minutes,
        "accumulate": request.accumulate,
        "save_every": request.save_every,
        "seed": request.seed,
    }


def _precision(request: RunRequest) -> str:
    """Return what to train in; a resumed run goes on as it began, on whatever machine."""
    if request.resume and request.precision == "auto":
        recorded = recorded_settings(request.output).get("precision")
        return resolve_precision(recorded or "auto")
    return resolve_precision(request.precision)


def _is_run(output: Path) -> bool:
    """Whether a run was started here: it has steps, or was cut before the first of them."""
    if not output.is_dir():
        return False
    known = {"steps", bad_batch.FILE}
    return bool(step_folders(output)) or all(path.name in known or is_record(path.name) for path in output.iterdir())


def _claim_output(request: RunRequest) -> None:
    if request.output.exists() and not request.resume:
        shutil.rmtree(request.output)
    request.output.mkdir(parents=True, exist_ok=True)
