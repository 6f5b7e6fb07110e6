"""A pretraining run: `Model.fit` with periodic checkpoints, from the first step or from where it was cut."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras

from kerastx.checkpoint.progress import (
    Progress,
    SettingsChangedError,
    load_step,
    remove_leftovers,
    save_step,
    step_folders,
)
from kerastx.checkpoint.store import Checkpoint, write_checkpoint_files
from kerastx.checkpoint.weights import non_finite_weights
from kerastx.errors import CheckpointError
from kerastx.training.callbacks import (
    WAY_OUT,
    PeriodicSave,
    StopAtStep,
    StopOnNaN,
    Throughput,
    TimeBudget,
    TrainingLog,
    TrainingStoppedError,
    read_log,
)
from kerastx.training.losses import generation_losses, pretraining_losses
from kerastx.training.metrics import generation_metrics, pretraining_metrics
from kerastx.training.optimizers import adamw

UNKNOWN_TOTAL = 1000  # steps assumed by a run bounded by time until the first measurements


@dataclass(frozen=True, kw_only=True)
class PretrainingPlan:
    """How long and how to train.

    Args:
        steps: updates, or None when `minutes` bounds the run.
        minutes: wall-clock budget, or None.
        learning_rate: peak of the schedule.
        tokens_per_batch: padding included, for the speed in tokens.
        accumulate: batches that make one update.
        report_every: updates per row of the log (one `fit` epoch).
        save_every: updates between checkpoints, a multiple of report_every; None = as often as 2 % of the time allows.
        keep: newest checkpoints that stay.
        label_smoothing: of next tokens, in [0, 1).
        average: of the weights that the run ends with, see `adamw`; None = none.
        settings: everything that must not change when the run is resumed.
    """

    steps: int | None
    minutes: float | None
    learning_rate: float
    tokens_per_batch: int
    report_every: int
    save_every: int | None
    keep: int
    accumulate: int = 1
    label_smoothing: float = 0.0
    average: float | None = None
    settings: dict[str, Any]

    def __post_init__(self):
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("exactly one of steps and minutes bounds a run.")
        if self.save_every is not None and self.save_every % self.report_every:
            raise ValueError(
                f"save_every must be a multiple of report_every, got {self.save_every} and {self.report_every}."
            )


def pretrain(
    checkpoint: Checkpoint,
    output: Path,
    plan: PretrainingPlan,
    *,
    dataset: Callable[[int], Any],
    validation: Any = None,
    resume: bool = False,
    measures: Sequence[keras.callbacks.Callback] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    explain: Callable[[int], str] = lambda batch: "",
    facts: Mapping[str, float] = MappingProxyType({}),
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Train `checkpoint.model` and leave a checkpoint in `output`.

    Args:
        checkpoint: the model to train, with its tokenizer and config; of the task "pretraining", "language_model"
            or "seq2seq".
        output: folder of the run; gets `steps/`, `training.csv` and at the end the checkpoint itself.
        plan: how long and how.
        dataset: from the number of its first batch to an endless tf.data of (inputs, targets, weights).
        validation: finite tf.data of the same, scored at the end, or None.
        resume: go on from the newest sound checkpoint below `output`.
        measures: callbacks that add to the logs before a row of them is written.
        callbacks: that show or record what was logged.
        explain: from the number of a batch whose loss is not finite to what it was made of.
        facts: numbers to keep beside the last logs, like the unigram entropy.
        say: takes a line for people.

    Returns:
        The last log row, with `val_` names when there is validation, and `steps` and `seconds`.
    """
    model = checkpoint.model
    optimizer = adamw(plan.learning_rate, plan.steps or UNKNOWN_TOTAL, accumulate=plan.accumulate, average=plan.average)
    schedule = optimizer._learning_rate
    losses, metrics = _losses_and_metrics(checkpoint.task, plan)
    model.compile(optimizer, loss=losses, weighted_metrics=metrics, jit_compile=False)
    progress = _resume(output, checkpoint, plan, say) if resume else None
    if progress is None:
        optimizer.build(model.trainable_variables)
        progress = Progress(step=0, settings=plan.settings, state={"seconds": 0.0})
    elif plan.minutes is not None:
        schedule.total_steps = progress.state["total_steps"]
    start = time.monotonic()

    def seconds() -> float:
        return progress.state["seconds"] + time.monotonic() - start

    def save(step: int) -> None:
        if non_finite_weights(model):
            batch = step * plan.accumulate - 1
            raise TrainingStoppedError(
                f"weights are not finite after step {step}{explain(batch)}{_last_checkpoint(output)}; {WAY_OUT}"
            )
        state = {"seconds": seconds(), "total_steps": schedule.total_steps}
        save_step(output, checkpoint, Progress(step=step, settings=plan.settings, state=state), keep=plan.keep)

    saving = PeriodicSave(save, every=None if plan.save_every is None else plan.save_every // plan.report_every)
    own = [
        StopAtStep(schedule),
        StopOnNaN(lambda batch: explain(batch) + _last_checkpoint(output)),
        Throughput(plan.tokens_per_batch),
        *measures,
        TrainingLog(output / "training.csv"),
        saving,
        *callbacks,
    ]
    if plan.minutes is not None:
        budget = TimeBudget(schedule, 60 * plan.minutes, seconds_done=progress.state["seconds"])
        own.insert(0, budget)
    # Of a run that has no step left: the row it ended with.
    rows = read_log(output / "training.csv")
    logs = {name: float(value) for name, value in rows[-1].items() if value} if rows else {}
    if progress.step < schedule.total_steps or _has_time(plan, progress):
        history = model.fit(
            dataset(progress.step * plan.accumulate),
            initial_epoch=progress.step // plan.report_every,
            epochs=sys.maxsize if plan.steps is None else -(-plan.steps // plan.report_every),
            steps_per_epoch=plan.report_every * plan.accumulate,
            callbacks=own,
            verbose=0,
            shuffle=False,  # the dataset is shuffled already
        )
        logs = {name: values[-1] for name, values in history.history.items()}
        logs["checkpoint_share"] = saving.share
    elif plan.average is not None:  # the mean, as at the end of `fit`
        optimizer.finalize_variable_values(model.trainable_variables)
    if validation is not None:
        scores = model.evaluate(validation, return_dict=True, verbose=0)
        logs |= {f"val_{name}": value for name, value in scores.items()}
    logs |= {**facts, "steps": int(optimizer.iterations), "seconds": seconds()}
    write_checkpoint_files(output, checkpoint, {"training": {"settings": plan.settings, "logs": logs}})
    return logs


def _losses_and_metrics(task: str, plan: PretrainingPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    if task == "pretraining":
        return pretraining_losses(), pretraining_metrics()
    return generation_losses(label_smoothing=plan.label_smoothing), generation_metrics()


def _has_time(plan: PretrainingPlan, progress: Progress) -> bool:
    return plan.minutes is not None and progress.state["seconds"] < 60 * plan.minutes


def _last_checkpoint(output: Path) -> str:
    folders = step_folders(output)
    return f"; the last good checkpoint is {folders[0]}" if folders else "; no checkpoint was written before"


def _resume(output: Path, checkpoint: Checkpoint, plan: PretrainingPlan, say) -> Progress | None:
    """Load the newest sound step checkpoint; fall back to older ones, saying so; None if there is none at all."""
    remove_leftovers(output)
    folders = step_folders(output)
    for folder in folders:
        try:
            progress = load_step(folder, checkpoint, plan.settings)
        except SettingsChangedError:
            raise
        except CheckpointError as error:
            say(f"{error}; trying the checkpoint before it")
            continue
        say(f"resuming at step {progress.step} from {folder}")
        return progress
    if folders:
        raise CheckpointError(
            f"{output}: none of its {len(folders)} step checkpoints is sound; start anew with --force"
        )
    say("no checkpoint yet, starting at step 0")
    return None
