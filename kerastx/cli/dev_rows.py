"""The labelled rows that a checkpoint or an exported file is scored on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kerastx.data.readers import LabelledData


class Model(Protocol):
    """What says which rows a model takes: a checkpoint or a file's manifest."""

    @property
    def task(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def pair(self) -> bool: ...


def read_dev_rows(
    path: Path, model: Model, *, text_column: str | None, pair_column: str | None, label_column: str | None
) -> LabelledData:
    """Return the rows of `path` as the task of `model` takes them: rated pairs where it answers vectors.

    Raises:
        DataError: the file is missing or wrong.
    """
    from kerastx.data.readers import read_labelled

    return read_labelled(
        path,
        labels=model.labels or None,
        text_column=text_column,
        label_column=label_column,
        pair_column=pair_column,
        pairs=model.pair or model.task == "embedding",
        task="regression" if model.task == "embedding" else model.task,
    )
