"""kerastx evaluate: the scores of a checkpoint or an exported file on labelled rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from kerastx.cli.options import Json, LabelColumn, PairColumn, TextColumn
from kerastx.cli.quiet import import_tensorflow

if TYPE_CHECKING:
    import numpy as np

    from kerastx.runtime.answers import Answer
    from kerastx.runtime.entities import TaggedUnits


class Source(NamedTuple):
    """What is scored: its task, labels and kind of rows, and functions from texts and pairs to what it answers."""

    task: str
    labels: tuple[str, ...]
    pair: bool
    predict: Callable[[list[str], list[str] | None], dict[str, np.ndarray]]
    tag: Callable[[list[str]], list[TaggedUnits]]
    answer: Callable[[list[str], list[str]], list[Answer]]


def evaluate(
    source: Annotated[Path, typer.Argument(help="Checkpoint folder, .tflite or .onnx file.")],
    data: Annotated[Path, typer.Option("--data", help="Labelled rows: TSV, CSV or JSONL; questions: JSON.")],
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: LabelColumn = None,
    json: Json = False,
) -> None:
    """Score a checkpoint or an exported file on labelled rows; a file is run in its own runtime.

    What finds entities is scored on tagged sentences, as in CoNLL-2003; what answers questions on JSON of SQuAD or CMRC
    2018, each by its own definition of F1 and exact match.

    Example: `kerastx evaluate build/export/classification-dynamic_wi8_afp32.tflite --data dev.tsv --json`
    """
    import json as json_module

    from kerastx.analysis.entity_scores import tagger_scores
    from kerastx.analysis.question_scores import question_scores
    from kerastx.analysis.scoring import task_scores
    from kerastx.cli.dev_rows import read_dev_rows
    from kerastx.data.questions import QuestionData
    from kerastx.data.tagged import TaggedData

    columns = {"text_column": text_column, "pair_column": pair_column, "label_column": label_column}
    model = _opened(source)
    rows = read_dev_rows(data, model, **columns)
    if isinstance(rows, TaggedData):
        scores = tagger_scores(model.tag, rows)
    elif isinstance(rows, QuestionData):
        scores = question_scores(model.answer, rows)
    else:
        texts, pairs = rows.texts, rows.pairs
        if model.task == "embedding":
            texts, pairs = [*texts, *(pairs or ())], None
        scores = task_scores(model.task, model.predict(texts, pairs), rows)
    result = {"task": model.task, "rows": len(rows), **scores}
    if json:
        print(json_module.dumps(result))
        return
    width = max(map(len, result)) + 2
    for name, value in result.items():
        print(f"{name:<{width}}{value:.4f}" if isinstance(value, float) else f"{name:<{width}}{value}")


def _opened(source: Path) -> Source:
    """Return a checkpoint or a file, ready to answer; CheckpointError for one that answers nothing."""
    from kerastx.errors import CheckpointError

    if source.is_dir() or not source.suffix:
        import_tensorflow("train")
        from kerastx.checkpoint.answering import ANSWERING_TASKS, predict
        from kerastx.checkpoint.spans import answer_questions
        from kerastx.checkpoint.store import load_checkpoint
        from kerastx.checkpoint.tagging import tagged

        checkpoint = load_checkpoint(source)
        if checkpoint.task not in (*ANSWERING_TASKS, "tagging", "span"):
            raise CheckpointError(f"{source} is a {checkpoint.task} checkpoint; fine-tune it first")
        return Source(
            checkpoint.task,
            checkpoint.labels,
            checkpoint.pair,
            lambda texts, pairs: predict(checkpoint, texts, pairs),
            lambda texts: tagged(checkpoint, texts),
            lambda questions, contexts: answer_questions(checkpoint, questions, contexts),
        )
    from kerastx.runtime.session import load

    session = load(source)
    manifest = session.manifest
    return Source(manifest.task, manifest.labels, manifest.pair, session.predict, session.tag, session.answer)
