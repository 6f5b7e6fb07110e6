"""The labelled rows that a checkpoint or an exported file is scored on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kerastx.data.labelled import LabelledData
    from kerastx.data.questions import QuestionData
    from kerastx.data.tagged import TaggedData


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
) -> LabelledData | TaggedData | QuestionData:
    """Return the rows of `path` as the task of `model` takes them.

    Where it finds entities they are tagged sentences, where it answers questions those of SQuAD or CMRC 2018. Where it
    answers vectors they are rated pairs, or, without a column of ratings, texts that belong together.

    Raises:
        DataError: the file is missing or wrong.
    """
    from kerastx.data.readers import read_labelled
    from kerastx.data.tagged import read_tagged, with_entities
    from kerastx.errors import DataError

    if model.task == "tagging":
        if text_column or pair_column or label_column:
            raise DataError(
                f"{path}: columns cannot be named for tagged sentences: the word is the first one, the tag the last"
            )
        return with_entities(path, read_tagged(path, labels=model.labels))
    if model.task == "span":
        if text_column or pair_column or label_column:
            raise DataError("columns cannot be named for questions: they are read from JSON of SQuAD or CMRC 2018")
        return read_questions_aloud(path)
    task = model.task
    if task == "embedding":
        task = "regression" if _is_rated(path, label_column) else "positives"
    return read_labelled(
        path,
        labels=model.labels or None,
        text_column=text_column,
        label_column=label_column,
        pair_column=pair_column,
        pairs=model.pair or model.task == "embedding",
        task=task,
    )


def read_questions_aloud(path: Path) -> QuestionData:
    """Return the questions of a file, and say what a person should know of it."""
    from kerastx.cli.console import say
    from kerastx.data.questions import read_questions

    data = read_questions(path)
    for line in data.warnings():
        say(f"{path}: {line}")
    return data


def _is_rated(path: Path, label_column: str | None) -> bool:
    from kerastx.data.columns import LABEL_COLUMNS, SCORE_COLUMNS
    from kerastx.data.readers import column_names

    known = {*SCORE_COLUMNS, *LABEL_COLUMNS}
    return label_column is not None or any(name.lower() in known for name in column_names(path))
