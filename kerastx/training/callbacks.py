"""Keras callbacks of a long run: bounds, speed, logs and checkpoints."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras

from kerastx.errors import KerastxError
from kerastx.training.schedules import WarmupLinearDecay


class TrainingStoppedError(KerastxError):
    """Training cannot go on; the message says at which step and why."""


class StopAtStep(keras.callbacks.Callback):
    """End `fit` after the update that makes the optimizer's step count reach the schedule's total."""

    def __init__(self, schedule: WarmupLinearDecay):
        super().__init__()
        self.schedule = schedule

    def on_train_begin(self, logs=None):
        self.step = int(self.model.optimizer.iterations)

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step >= self.schedule.total_steps:
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
        self.step = int(self.model.optimizer.iterations)

    @property
    def elapsed(self) -> float:
        return self.seconds_done + time.monotonic() - self.start

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.measured_from is None:  # the first step of a process also compiles
            self.measured_from = (self.step, self.elapsed)
            return
        if self.step % self.every and self.elapsed < self.seconds:
            return
        steps, seconds = self.step - self.measured_from[0], self.elapsed - self.measured_from[1]
        remaining = max(0.0, self.seconds - self.elapsed)
        self.schedule.total_steps = self.step + math.floor(remaining * steps / max(seconds, 1e-9))


class StopOnNaN(keras.callbacks.Callback):
    """Raise `TrainingStoppedError` with the step when the loss is not finite."""

    def on_train_begin(self, logs=None):
        self.step = int(self.model.optimizer.iterations)

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            raise TrainingStoppedError(
                f"the loss is not finite at step {self.step}; "
                "lower the learning rate or resume from the last checkpoint"
            )


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


class TrainingLog(keras.callbacks.Callback):
    """Append a row of step, rate and all logs to a CSV file at the end of every epoch.

    A resumed run drops the rows that are newer than its first step, so the file reads like an unbroken run's.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_train_begin(self, logs=None):
        step = int(self.model.optimizer.iterations)
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


class BatchLog(keras.callbacks.Callback):
    """Collect a row of step, rate and logs some times per epoch; the last of an epoch also has its `val_` logs.

    The values of a row are means over the batches since the row before, so its loss falls within an epoch too.

    Args:
        num_examples: of an epoch.
        batch_size: B; the last batch of an epoch may be smaller.
        rows_per_epoch: at most.

    Attributes:
        rows: what was collected.
    """

    def __init__(self, *, num_examples: int, batch_size: int, rows_per_epoch: int = 20):
        super().__init__()
        self.num_examples = num_examples
        self.batch_size = batch_size
        self.num_batches = math.ceil(num_examples / batch_size)
        self.rows_per_epoch = min(rows_per_epoch, self.num_batches)
        self.rows: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = 0
        self.sums: dict[str, float] = {}

    def on_train_batch_end(self, batch, logs=None):
        rows_before, rows_now = (count * self.rows_per_epoch // self.num_batches for count in (batch, batch + 1))
        if rows_now == rows_before:
            return
        seen = min((batch + 1) * self.batch_size, self.num_examples)
        # Keras gives the means since the epoch began.
        sums = {name: float(mean) * seen for name, mean in (logs or {}).items()}
        optimizer = self.model.optimizer
        means = {name: (total - self.sums.get(name, 0.0)) / (seen - self.seen) for name, total in sums.items()}
        rate = float(optimizer.learning_rate)
        self.rows.append({"step": int(optimizer.iterations), "learning_rate": rate, **means})
        self.seen, self.sums = seen, sums

    def on_epoch_end(self, epoch, logs=None):
        if self.rows:
            self.rows[-1] |= {name: value for name, value in (logs or {}).items() if name.startswith("val_")}


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
    """Call `save(step)` at the end of every `every`-th epoch, and when training ends.

    Args:
        save: writes the checkpoint of one step.
        every: epochs between two calls.
    """

    def __init__(self, save: Callable[[int], None], *, every: int = 1):
        super().__init__()
        self.save = save
        self.every = every
        self.saved_step = -1

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            self._save()

    def on_train_end(self, logs=None):
        self._save()

    def _save(self):
        step = int(self.model.optimizer.iterations)
        if step != self.saved_step:
            self.save(step)
            self.saved_step = step
