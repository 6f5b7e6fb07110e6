"""The rows that a checkpoint or an exported file is scored on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kerastx.data.held_text import HeldText
    from kerastx.data.labelled import LabelledData
    from kerastx.data.questions import QuestionData
    from kerastx.data.tagged import TaggedData
    from kerastx.data.text_pairs import TextPairs


# Options that say where the rows of a task are, with what they are called on the command line.
WRITERS_OPTIONS = {
    "target": "a second file of lines",
    "source_column": "--source-column",
    "target_column": "--target-column",
    "documents": "--documents",
}
ANSWERERS_OPTIONS = {"pair_column": "--pair-column", "label_column": "--label-column"}


class Model(Protocol):
    """What says which rows a model takes: a checkpoint or a file's manifest."""

    @property
    def task(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def pair(self) -> bool: ...


def read_dev_rows(path: Path, model: Model, **where: Any) -> LabelledData | TaggedData | QuestionData:
    """Return the rows of `path` as the task of `model` takes them.

    Where it finds entities they are tagged sentences, where it answers questions those of SQuAD or CMRC 2018. Where it
    answers vectors they are rated pairs, or, without a column of ratings, texts that belong together.

    Args:
        path: of the rows.
        model: that answers.
        where: text_column, pair_column and label_column, None where they are to be found; and what is of models that
            write, see `read_held_rows`, None all of it.

    Raises:
        DataError: the file is missing or wrong, or an option is not of this task.
    """
    _refuse(model.task, where, WRITERS_OPTIONS)
    columns = {name: where.get(name) for name in ("text_column", "pair_column", "label_column")}
    return _labelled_rows(path, model, **columns)


def read_held_rows(path: Path, task: str, **where: Any) -> HeldText | TextPairs:
    """Return what a model that writes is measured on: of a language model text, of an encoder-decoder pairs.

    Args:
        path: of text, a table, JSONL, or lines.
        task: "language_model" or "seq2seq".
        where: None where it is to be found: of text `documents` and text_column, see `read_held_text`; of pairs
            `target`, a second file, source_column and target_column; and what is of models that answer, None all of it.

    Raises:
        DataError: the file is missing or wrong, or an option is not of this task.
    """
    from kerastx.data.held_text import read_held_text
    from kerastx.data.text_pairs import read_text_pairs

    _refuse(task, where, ANSWERERS_OPTIONS)
    if task == "language_model":
        _refuse(task, where, {name: WRITERS_OPTIONS[name] for name in ("target", "source_column", "target_column")})
        return read_held_text(path, documents=where.get("documents"), text_column=where.get("text_column"))
    _refuse(task, where, {"documents": "--documents", "text_column": "--text-column"})
    columns = {name: where.get(name) for name in ("source_column", "target_column")}
    return read_text_pairs(path, where.get("target"), **columns)


def read_rows_of(
    path: Path | None, model: Model, **where: Any
) -> LabelledData | TaggedData | QuestionData | HeldText | TextPairs | None:
    """Return what any model is measured on, see `read_dev_rows` and `read_held_rows`; None without a path."""
    from kerastx.errors import DataError
    from kerastx.runtime.writer import WRITING_TASKS

    if path is None:
        if where.get("target") is not None:
            raise DataError("--dev-target belongs to --dev")
        return None
    if model.task in WRITING_TASKS:
        return read_held_rows(path, model.task, **where)
    return read_dev_rows(path, model, **where)


def _refuse(task: str, where: dict[str, Any], options: dict[str, str]) -> None:
    from kerastx.errors import DataError

    for name, shown in options.items():
        if where.get(name) is not None:
            raise DataError(f"a model of the task {task} has no use for {shown}: leave it out")


def _labelled_rows(
    path: Path, model: Model, *, text_column: str | None, pair_column: str | None, label_column: str | None
) -> LabelledData | TaggedData | QuestionData:
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
