"""What `kerastx pretrain` is asked for, and what a run makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerastx.checkpoint.store import Checkpoint
from kerastx.data.store import TokenStore
from kerastx.errors import DataError


@dataclass(frozen=True, kw_only=True)
class PretrainRequest:
    """The options of `kerastx pretrain`; those that are None are chosen by what is trained."""

    data: Path
    output: Path
    preset: str = "mini"
    steps: int | None = None
    minutes: float | None = None
    start: Path | None = None
    resume: bool = False
    batch_size: int = 32
    max_length: int = 128
    learning_rate: float | None = None
    whole_word: bool = False
    norm: str | None = None
    dropout_rate: float | None = None
    random_start: bool = False
    precision: str = "auto"
    accumulate: int = 1
    pack: bool | None = None
    save_every: int | None = None
    keep: int = 2
    seed: int = 1
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A model and what it learns from.

    Attributes:
        batches: from start_step and split to a tf.data of (inputs, targets, sample weights).
        build: makes the checkpoint to train, with its model.
        learning_rate: peak of the schedule where none is asked for.
        settings: what a resumed run must share with the run that it continues, besides what all runs must.
        explain: from the number of a batch to a line about what it was made of.
        loss: name of the loss that a person follows, in the logs.
        named: the same for people.
    """

    batches: Callable[..., Any]
    build: Callable[[], Checkpoint]
    learning_rate: float
    settings: Callable[[Checkpoint], Mapping[str, Any]]
    explain: Callable[[int], str]
    loss: str
    named: str


def check_tokenizer(request: PretrainRequest, source: Checkpoint, store: TokenStore) -> None:
    """Raise DataError where a store was not made for the checkpoint to go on from."""
    if source.tokenizer.sha256 != store.tokenizer.sha256:
        raise DataError(
            f"{request.data} was prepared with another tokenizer than {request.start}; "
            f"prepare it with --tokenizer {request.start}"
        )
