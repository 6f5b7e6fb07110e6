"""kerastx evaluate: the scores of a checkpoint or an exported file on labelled rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from kerastx.cli.options import Json, LabelColumn, PairColumn, TextColumn
from kerastx.cli.quiet import import_tensorflow

if TYPE_CHECKING:
    import numpy as np


class Source(NamedTuple):
    """What is scored: its task, labels and kind of rows, and a function from texts and pairs to its outputs."""

    task: str
    labels: tuple[str, ...]
    pair: bool
    predict: Callable[[list[str], list[str] | None], dict[str, np.ndarray]]


def evaluate(
    source: Annotated[Path, typer.Argument(help="Checkpoint folder, .tflite or .onnx file.")],
    data: Annotated[Path, typer.Option("--data", help="Labelled rows: TSV, CSV or JSONL.")],
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: LabelColumn = None,
    json: Json = False,
) -> None:
    """Score a checkpoint or an exported file on labelled rows; a file is run in its own runtime.

    A checkpoint that finds entities is scored on tagged sentences, as in CoNLL-2003.

    Example: `kerastx evaluate build/export/classification-dynamic_wi8_afp32.tflite --data dev.tsv --json`
    """
    import json as json_module

    columns = {"text_column": text_column, "pair_column": pair_column, "label_column": label_column}
    result = _entities(source, data) if _finds_entities(source) else _rows(source, data, columns)
    if json:
        print(json_module.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<16}{value:.4f}" if isinstance(value, float) else f"{name:<16}{value}")


def _finds_entities(source: Path) -> bool:
    from kerastx.checkpoint.store import read_config

    if not source.is_dir() or not (source / "config.json").is_file():
        return False
    import_tensorflow("train")
    return read_config(source).get("task") == "tagging"


def _entities(source: Path, data: Path) -> dict[str, Any]:
    from kerastx.checkpoint.store import load_checkpoint
    from kerastx.cli.tag_scores import tagger_scores
    from kerastx.data.tagged import read_tagged

    checkpoint = load_checkpoint(source)
    sentences = read_tagged(data, labels=checkpoint.labels)
    return {"task": checkpoint.task, "rows": len(sentences), **tagger_scores(checkpoint, sentences)}


def _rows(source: Path, data: Path, columns: dict[str, str | None]) -> dict[str, Any]:
    from kerastx.analysis.scoring import task_scores
    from kerastx.cli.dev_rows import read_dev_rows

    model = _opened(source)
    rows = read_dev_rows(data, model, **columns)
    texts, pairs = rows.texts, rows.pairs
    if model.task == "embedding":
        texts, pairs = [*texts, *(pairs or ())], None
    scores = task_scores(model.task, model.predict(texts, pairs), rows)
    return {"task": model.task, "rows": len(rows.texts), **scores}


def _opened(source: Path) -> Source:
    """Return a checkpoint or a file, ready to answer; CheckpointError for one that answers nothing."""
    from kerastx.errors import CheckpointError

    if source.is_dir() or not source.suffix:
        import_tensorflow("train")
        from kerastx.checkpoint.answering import ANSWERING_TASKS, predict
        from kerastx.checkpoint.store import load_checkpoint

        checkpoint = load_checkpoint(source)
        if checkpoint.task not in ANSWERING_TASKS:
            raise CheckpointError(f"{source} is a {checkpoint.task} checkpoint; fine-tune it first")
        return Source(
            checkpoint.task,
            checkpoint.labels,
            checkpoint.pair,
            lambda texts, pairs: predict(checkpoint, texts, pairs),
        )
    from kerastx.runtime.session import load

    session = load(source)
    manifest = session.manifest
    return Source(manifest.task, manifest.labels, manifest.pair, session.predict)
