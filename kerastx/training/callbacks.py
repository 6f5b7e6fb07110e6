"""Keras callbacks of a long run: bounds, speed, logs and checkpoints."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import keras

from kerastx.errors import KerastxError
from kerastx.training.schedules import WarmupLinearDecay

WAY_OUT = "lower the learning rate"


class TrainingStoppedError(KerastxError):
    """Training cannot go on; the message says at which step and why."""


def steps_done(model: keras.Model) -> int:
    """Return the updates made so far; with gradient accumulation several batches make one."""
    return int(model.optimizer.iterations)


def batches_per_step(model: keras.Model) -> int:
    """Return how many batches an update gathers."""
    return model.optimizer.gradient_accumulation_steps or 1


class StopAtStep(keras.callbacks.Callback):
    """End `fit` after the update that makes the optimizer's step count reach the schedule's total."""

    def __init__(self, schedule: WarmupLinearDecay):
        super().__init__()
        self.schedule = schedule

    def on_train_batch_end(self, batch, logs=None):
        if steps_done(self.model) >= self.schedule.total_steps:
            self.model.stop_training = True


class TimeBudget(keras.callbacks.Callback):
    """Fit a run into a number of seconds: the schedule's total follows the measured speed.

    Args:
        schedule: whose total_steps is estimated anew every `every` steps.
        seconds: the budget of the whole run.
        seconds_done: spent before a resume.
    """

    def __init__(self, schedule: WarmupLinearDecay, seconds: float, *, seconds_done: float = 0.0, every: int = 10):
        super().__init__()
        self.schedule = schedule
        self.seconds = seconds
        self.seconds_done = seconds_done
        self.every = every

    def on_train_begin(self, logs=None):
        self.start = time.monotonic()
        self.measured_from: tuple[int, float] | None = None
        self.step = steps_done(self.model)

    @property
    def elapsed(self) -> float:
        return self.seconds_done + time.monotonic() - self.start

    def on_train_batch_end(self, batch, logs=None):
        step = steps_done(self.model)
        if step == self.step:
            return
        self.step = step
        if self.measured_from is None:  # the first step of a process also compiles
            self.measured_from = (self.step, self.elapsed)
            return
        if self.step % self.every and self.elapsed < self.seconds:
            return
        steps, seconds = self.step - self.measured_from[0], self.elapsed - self.measured_from[1]
        remaining = max(0.0, self.seconds - self.elapsed)
        self.schedule.total_steps = self.step + math.floor(remaining * steps / max(seconds, 1e-9))


class StopOnNaN(keras.callbacks.Callback):
    """Raise `TrainingStoppedError` with the step when the loss is not finite.

    Args:
        explain: from the number of the batch, counted over the whole run, to what a person needs to know about it.
    """

    def __init__(self, explain: Callable[[int], str] = lambda batch: ""):
        super().__init__()
        self.explain = explain

    def on_train_begin(self, logs=None):
        self.batch = steps_done(self.model) * batches_per_step(self.model)

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            step = self.batch // batches_per_step(self.model) + 1
            raise TrainingStoppedError(f"the loss is not finite at step {step}{self.explain(self.batch)}; {WAY_OUT}")
        self.batch += 1


class MeanAccuracy(keras.callbacks.Callback):
    """Add `accuracy`, and `val_accuracy`, of a model with several outputs to the logs: the mean of theirs.

    Args:
        outputs: their names; of a single one Keras logs the accuracy by itself.
    """

    def __init__(self, outputs: Iterable[str]):
        super().__init__()
        self.outputs = tuple(outputs)

    def on_train_batch_end(self, batch, logs=None):
        self._add(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._add(logs)

    def _add(self, logs):
        if logs is None or len(self.outputs) < 2:
            return
        for prefix in ("", "val_"):
            values = [logs.get(f"{prefix}{output}_accuracy") for output in self.outputs]
            if None not in values:
                logs[f"{prefix}accuracy"] = sum(values) / len(values)


class Throughput(keras.callbacks.Callback):
    """Add `tokens_per_second`, wall clock, to the logs of every epoch.

    Args:
        tokens_per_step: real and padded tokens of a batch.
    """

    def __init__(self, tokens_per_step: int):
        super().__init__()
        self.tokens_per_step = tokens_per_step

    def on_epoch_begin(self, epoch, logs=None):
        self.start, self.steps = time.monotonic(), 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["tokens_per_second"] = round(self.steps * self.tokens_per_step / (time.monotonic() - self.start))


class InputWait(keras.callbacks.Callback):
    """Add `wait_share`, the part of an epoch's time spent on waiting for batches, to its logs.

    Args:
        waited: seconds waited so far.
    """

    def __init__(self, waited: Callable[[], float]):
        super().__init__()
        self.waited = waited

    def on_epoch_begin(self, epoch, logs=None):
        self.start, self.before = time.monotonic(), self.waited()

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["wait_share"] = (self.waited() - self.before) / max(time.monotonic() - self.start, 1e-9)


class TrainingLog(keras.callbacks.Callback):
    """Append a row of step, rate and all logs to a CSV file at the end of every epoch.

    A resumed run drops the rows that are newer than its first step, so the file reads like an unbroken run's.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_train_begin(self, logs=None):
        step = steps_done(self.model)
        rows = [row for row in read_log(self.path) if int(row["step"]) <= step]
        self.rows: list[dict[str, str]] = rows
        self._write()

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        values = {
            "step": int(optimizer.iterations),
            "learning_rate": float(optimizer.learning_rate),
            **(logs or {}),
        }
        self.rows.append(_written(values))
        self._write()

    def _write(self) -> None:
        _write_rows(self.path, self.rows)


def write_log(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write a CSV file of rows that may lack some of the names, through a temporary sibling."""
    _write_rows(path, [_written(row) for row in rows])


def _written(row: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{value:.8g}" for name, value in row.items()}


def _write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    with open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names or ["step"])
        writer.writeheader()
        writer.writerows(rows)
    os.replace(temporary, path)


def read_log(path: Path) -> list[dict[str, str]]:
    """Return the rows of a `TrainingLog` file, [] if there is none."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


class PeriodicSave(keras.callbacks.Callback):
    """Call `save(step)` at ends of epochs, and when training ends.

    Args:
        save: writes the checkpoint of one step.
        every: epochs between two calls; None = as often as `COST_SHARE` of the time allows, but not without pause.

    Attributes:
        seconds: spent on saving while training went on.
    """

    COST_SHARE = 0.02
    PAUSE_SECONDS = 60.0

    def __init__(self, save: Callable[[int], None], *, every: int | None = 1):
        super().__init__()
        self.save = save
        self.every = every
        self.saved_step = -1
        self.seconds = 0.0
        self.pause = 0.0

    def on_train_begin(self, logs=None):
        self.begin = self.saved_at = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        if self.every is None:
            due = time.monotonic() - self.saved_at >= self.pause
        else:
            due = (epoch + 1) % self.every == 0
        if due:
            self._save()

    def on_train_end(self, logs=None):
        self.share = self.seconds / max(time.monotonic() - self.begin, 1e-9)
        self._save()

    def _save(self):
        step = steps_done(self.model)
        if step == self.saved_step:
            return
        begin = time.monotonic()
        self.save(step)
        self.saved_step = step
        self.saved_at = time.monotonic()
        cost = self.saved_at - begin
        self.seconds += cost
        self.pause = max(cost / self.COST_SHARE, self.PAUSE_SECONDS)
