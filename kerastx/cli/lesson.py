"""What a long run is asked for, and what it trains on what: a lesson."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerastx.checkpoint.store import Checkpoint


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """The options of every run with checkpoints on the way; of `steps` and `minutes` one is given.

    Attributes:
        learning_rate: None = that of the lesson.
        others: see `kerastx.training.pretrain.PretrainingPlan`.
    """

    output: Path
    steps: int | None = None
    minutes: float | None = None
    resume: bool = False
    learning_rate: float | None = None
    precision: str = "auto"
    accumulate: int = 1
    save_every: int | None = None
    keep: int = 2
    seed: int = 1
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A model and what it learns from.

    Attributes:
        title: of the run, for people.
        dataset: from the number of its first batch to an endless tf.data of (inputs, targets, sample weights).
        validation: finite tf.data of the same, or None.
        build: makes the checkpoint to train, with its model.
        tokens_per_batch: for the speed.
        learning_rate: peak of the schedule where none is asked for.
        settings: what a resumed run must share with the run that it continues, besides what all runs must.
        loss: name of the loss that a person follows, in the logs, and for people.
        explain: from the number of a batch to a line about what it was made of.
        facts: numbers to keep beside the last logs, like the unigram entropy.
        label_smoothing, average: see `kerastx.training.pretrain.PretrainingPlan`.
    """

    title: str
    dataset: Callable[[int], Any]
    validation: Any
    build: Callable[[], Checkpoint]
    tokens_per_batch: int
    learning_rate: float
    settings: Callable[[Checkpoint], Mapping[str, Any]]
    loss: tuple[str, str]
    explain: Callable[[int], str] = lambda batch: ""
    facts: Mapping[str, float] = field(default_factory=dict)
    label_smoothing: float = 0.0
    average: float | None = None
