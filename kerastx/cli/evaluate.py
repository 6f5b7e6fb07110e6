"""kerastx evaluate: the scores of a checkpoint or an exported file on labelled rows, pairs of texts or held text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from kerastx.cli.options import Documents, Json, LabelColumn, PairColumn, SourceColumn, TargetColumn, TextColumn
from kerastx.cli.quiet import import_tensorflow
from kerastx.cli.write import Beams, LengthPenalty, MaxNew

if TYPE_CHECKING:
    import numpy as np

    from kerastx.runtime.answers import Answer
    from kerastx.runtime.entities import TaggedUnits
    from kerastx.runtime.generation import Generator
    from kerastx.runtime.text_scores import Scorer


class Source(NamedTuple):
    """What is scored: its task, labels and kind of rows, and functions from texts and pairs to what it answers."""

    task: str
    labels: tuple[str, ...]
    pair: bool
    predict: Callable[[list[str], list[str] | None], dict[str, np.ndarray]]
    tag: Callable[[list[str]], list[TaggedUnits]]
    answer: Callable[[list[str], list[str]], list[Answer]]


class Writing(NamedTuple):
    """A model that writes: its task, what writes and what tells how probable texts are."""

    task: str
    generator: Generator
    scorer: Scorer


def evaluate(
    source: Annotated[Path, typer.Argument(help="Checkpoint folder, .tflite or .onnx file.")],
    data: Annotated[
        Path,
        typer.Option("--data", help="Labelled rows or pairs: TSV, CSV or JSONL; questions: JSON; text, or lines."),
    ],
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: LabelColumn = None,
    data_target: Annotated[
        Path | None, typer.Option("--data-target", help="Lines that belong to those of --data.")
    ] = None,
    source_column: SourceColumn = None,
    target_column: TargetColumn = None,
    documents: Documents = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Of models that write: the first rows.")] = None,
    beams: Beams = 1,
    length_penalty: LengthPenalty = 1.0,
    max_new_tokens: MaxNew = None,
    json: Json = False,
) -> None:
    """Score a checkpoint or an exported file on labelled rows; a file is run in its own runtime.

    What finds entities is scored on tagged sentences, as in CoNLL-2003; what answers questions on JSON of SQuAD or CMRC
    2018, each by its own definition of F1 and exact match.

    A language model is scored on text, or on the texts of JSONL: perplexity of a token and bits per byte. A longer
    document than the model was trained with is cut into windows, which are the rows. A translator or summarizer is
    scored on pairs: BLEU and chrF as sacreBLEU counts them, ROUGE, and the perplexity of a token of the targets.

    Example: `kerastx evaluate build/export/classification-dynamic_wi8_afp32.tflite --data dev.tsv --json`
    """
    import json as json_module

    where = {
        "text_column": text_column,
        "pair_column": pair_column,
        "label_column": label_column,
        "target": data_target,
        "source_column": source_column,
        "target_column": target_column,
        "documents": None if documents is None else documents.value,
    }
    model = _opened(source)
    if isinstance(model, Writing):
        from kerastx.cli.evaluate_writer import evaluate_writer

        options = {"num_beams": beams, "length_penalty": length_penalty, "max_new_tokens": max_new_tokens}
        result = evaluate_writer(model, data, where, limit=limit, options=options)
    else:
        asked = {"beams": beams != 1, "length_penalty": length_penalty != 1, "max_new_tokens": max_new_tokens}
        _refuse_writing(model.task, limit=limit, **asked)
        result = _evaluate(model, data, where)
    if json:
        print(json_module.dumps(result))
        return
    width = max(map(len, result)) + 2
    for name, value in result.items():
        print(f"{name:<{width}}{value:.4f}" if isinstance(value, float) else f"{name:<{width}}{value}")


def _evaluate(model: Source, data: Path, where: dict[str, Any]) -> dict[str, Any]:
    from kerastx.analysis.entity_scores import tagger_scores
    from kerastx.analysis.question_scores import question_scores
    from kerastx.analysis.scoring import task_scores
    from kerastx.cli.dev_rows import read_dev_rows
    from kerastx.data.questions import QuestionData
    from kerastx.data.tagged import TaggedData

    rows = read_dev_rows(data, model, **where)
    if isinstance(rows, TaggedData):
        scores = tagger_scores(model.tag, rows)
    elif isinstance(rows, QuestionData):
        scores = question_scores(model.answer, rows)
    else:
        texts, pairs = rows.texts, rows.pairs
        if model.task == "embedding":
            texts, pairs = [*texts, *(pairs or ())], None
        scores = task_scores(model.task, model.predict(texts, pairs), rows)
    return {"task": model.task, "rows": len(rows), **scores}


def _refuse_writing(task: str, **options: object) -> None:
    from kerastx.errors import DataError

    for name, value in options.items():
        if value:
            raise DataError(f"--{name.replace('_', '-')} is of models that write, and this one is for {task}")


def _opened(source: Path) -> Source | Writing:
    """Return a checkpoint or a file, ready to answer; CheckpointError for one that answers nothing."""
    from kerastx.errors import CheckpointError

    if source.is_dir() or not source.suffix:
        import_tensorflow("train")
        from kerastx.checkpoint.answering import ANSWERING_TASKS, predict
        from kerastx.checkpoint.generating import generator_of
        from kerastx.checkpoint.spans import answer_questions
        from kerastx.checkpoint.store import load_checkpoint
        from kerastx.checkpoint.tagging import tagged
        from kerastx.checkpoint.tasks import GENERATING_TASKS
        from kerastx.checkpoint.text_scores import scorer_of

        checkpoint = load_checkpoint(source)
        if checkpoint.task in GENERATING_TASKS:
            return Writing(checkpoint.task, generator_of(checkpoint), scorer_of(checkpoint))
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
    from kerastx.runtime.files import load
    from kerastx.runtime.writer import Writer

    session = load(source)
    if isinstance(session, Writer):
        return Writing(session.manifest.task, session.generator, session.scorer)
    manifest = session.manifest
    return Source(manifest.task, manifest.labels, manifest.pair, session.predict, session.tag, session.answer)
