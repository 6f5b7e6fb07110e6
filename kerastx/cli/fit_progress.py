"""A Keras callback that shows `fit` on stderr: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kerastx.cli.console import say
from kerastx.training.callbacks import steps_done

SHOWN_EVERY_S = 30.0


class FitProgress(keras.callbacks.Callback):
    """Show step, total and the logs.

    Args:
        title: what is trained.
        total_steps: callable, since a run bounded by time learns its total on the way.
    """

    def __init__(self, title: str, total_steps: Callable[[], int]):
        super().__init__()
        self.title = title
        self.total_steps = total_steps
        self.bar: Progress | None = None

    def on_train_begin(self, logs=None):
        self.shown_at = 0.0
        if sys.stderr.isatty():
            columns = [
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total} {task.fields[values]}"),
            ]
            self.bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True))
            self.task = self.bar.add_task(self.title, total=self.total_steps(), values="")
            self.bar.start()

    def on_train_batch_end(self, batch, logs=None):
        if self.bar is not None:
            self.bar.update(
                self.task, completed=steps_done(self.model), total=self.total_steps(), values=describe(logs or {})
            )

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        step = steps_done(self.model)
        done = step >= self.total_steps()
        if self.bar is None and (done or now - self.shown_at >= SHOWN_EVERY_S):
            say(f"{self.title}: step {step}/{self.total_steps()} {describe(logs or {})}")
            self.shown_at = now

    def on_train_end(self, logs=None):
        if self.bar is not None:
            self.bar.stop()


def describe(logs: dict[str, float]) -> str:
    """Return the logs that a person follows, on one line."""
    names = {
        "loss": "loss",
        "masked_lm_loss": "mlm",
        "masked_lm_accuracy": "mlm acc",
        "next_sentence_accuracy": "nsp acc",
        "accuracy": "acc",
        "perplexity": "perplexity",
        "val_accuracy": "held-out acc",
        "val_loss": "held-out loss",
        "tokens_per_second": "tok/s",
    }
    return "  ".join(f"{short} {logs[name]:.4g}" for name, short in names.items() if name in logs)
