"""The labelled rows that an exported file is compared on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerastx.checkpoint.store import Checkpoint
    from kerastx.data.readers import LabelledData


def read_dev_rows(
    path: Path | None,
    checkpoint: Checkpoint,
    *,
    text_column: str | None,
    pair_column: str | None,
    label_column: str | None,
) -> LabelledData | None:
    """Return the rows of `path` as the task of a checkpoint takes them, or None without a path.

    Raises:
        DataError: the file is missing or wrong, or the checkpoint answers vectors, which no row can score.
    """
    if path is None:
        return None
    from kerastx.data.readers import read_labelled
    from kerastx.errors import DataError

    if checkpoint.task == "embedding":
        raise DataError("--dev: labelled rows cannot score vectors; they are compared on texts of our own")
    return read_labelled(
        path,
        labels=checkpoint.labels or None,
        text_column=text_column,
        label_column=label_column,
        pair_column=pair_column,
        pairs=checkpoint.pair,
        task=checkpoint.task,
    )
