"""What stands beside every run: its curves as a picture and as a log for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras

from kerastx.cli.console import say
from kerastx.errors import KerastxError
from kerastx.training.callbacks import read_log, write_log
from kerastx.training.event_file import EventLog, write_events

LOG, PICTURE, EVENTS = "training.csv", "learning_curve.png", "logs"
REDRAWN_EVERY_S = 120.0  # half a second each time

# What a picture can fail with: a missing or broken matplotlib, a full disk, numbers that have no picture.
_PICTURE_ERRORS = (ArithmeticError, ImportError, KerastxError, OSError, RuntimeError, ValueError)


class LearningCurve(keras.callbacks.Callback):
    """Redraw the learning curve of a pretraining run: every two minutes and when it ends.

    Args:
        output: folder of the run, with the log.
        results: known from the start, like the unigram entropy.
    """

    def __init__(self, output: Path, results: Mapping[str, float]):
        super().__init__()
        self.output = output
        self.results = results

    def on_train_begin(self, logs=None):
        self.drawn_at = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        if time.monotonic() - self.drawn_at >= REDRAWN_EVERY_S:
            self.draw({})
            self.drawn_at = time.monotonic()

    def on_train_end(self, logs=None):
        self.draw({})

    def draw(self, logs: Mapping[str, float]) -> None:
        """Draw the log as it stands, with the results of a finished run."""
        unless_it_fails(self.output / PICTURE, lambda: self._draw(logs))

    def _draw(self, logs: Mapping[str, float]) -> None:
        from kerastx.analysis.learning_curve import draw_pretraining

        rows = [{name: float(value) for name, value in row.items() if value} for row in read_log(self.output / LOG)]
        if rows:
            results = {**self.results, **logs}
            draw_pretraining(
                rows, self.output / PICTURE, title=_title("Pretraining", self.output, rows), results=results
            )


class PretrainingRecord:
    """The callbacks that record a pretraining run, and what is left to do at its end."""

    def __init__(self, output: Path, results: Mapping[str, float]):
        self.curve = LearningCurve(output, results)
        self.callbacks = [EventLog(output / EVENTS, output / LOG, say), self.curve]

    def finish(self, logs: Mapping[str, float]) -> None:
        """Draw the curve once more, with the score on held-out documents."""
        self.curve.draw(logs)


def record_finetuning(output: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write log, picture and event file of a fine-tuning run into the folder of its checkpoint."""
    unless_it_fails(output / LOG, lambda: write_log(output / LOG, rows))
    unless_it_fails(output / EVENTS, lambda: write_events(output / EVENTS, rows))
    unless_it_fails(output / PICTURE, lambda: _draw_finetuning(output, rows))


def _draw_finetuning(output: Path, rows: Sequence[Mapping[str, float]]) -> None:
    from kerastx.analysis.learning_curve import draw_finetuning

    draw_finetuning(rows, output / PICTURE, title=_title("Fine-tuning", output, rows))


def _title(what: str, output: Path, rows: Sequence[Mapping[str, float]]) -> str:
    return f"{what} of {output.name}, {int(rows[-1]['step']):,} steps"


def is_record(name: str) -> bool:
    """Whether a run leaves a file or folder of this name, or left it half-written when it was killed."""
    return name == EVENTS or LOG in name or PICTURE in name


def unless_it_fails(file: Path, write: Callable[[], object]) -> None:
    """Write a record of a run; where that fails, say so and go on: the model took hours, its picture seconds."""
    try:
        write()
    except _PICTURE_ERRORS as error:
        say(f"{file}: could not be written, the run goes on without it: {error}")
