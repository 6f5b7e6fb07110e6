"""kerastx evaluate: the scores of a checkpoint or an exported file on labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import Json, LabelColumn, TextColumn
from kerastx.cli.quiet import import_tensorflow


def evaluate(
    source: Annotated[Path, typer.Argument(help="Checkpoint folder, .tflite or .onnx file.")],
    data: Annotated[Path, typer.Option("--data", help="Labelled rows: TSV, CSV or JSONL.")],
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    json: Json = False,
) -> None:
    """Score a checkpoint or an exported file on labelled rows; a file is run in its own runtime.

    Example: `kerastx evaluate build/export/classification-dynamic_wi8_afp32.tflite --data dev.tsv --json`
    """
    import json as json_module

    from kerastx.analysis.scoring import classification_scores
    from kerastx.data.readers import read_labelled

    task, labels, predict = _predictor(source)
    rows = read_labelled(data, labels=labels, text_column=text_column, label_column=label_column)
    predicted = predict(rows.texts).argmax(-1)
    scores = classification_scores(predicted, rows.targets, len(labels))
    result = {"task": task, "rows": len(rows.texts), **scores}
    if json:
        print(json_module.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<16}{value:.4f}" if isinstance(value, float) else f"{name:<16}{value}")


def _predictor(source: Path):
    """Return task, labels and a function from texts to probabilities (N, C)."""
    if source.is_dir() or not source.suffix:
        import_tensorflow("train")
        from kerastx.analysis.predict import predict_probabilities
        from kerastx.checkpoint.store import load_checkpoint
        from kerastx.errors import CheckpointError

        checkpoint = load_checkpoint(source)
        if checkpoint.task != "classification":
            raise CheckpointError(f"{source} is a {checkpoint.task} checkpoint; fine-tune it first")
        return checkpoint.task, checkpoint.labels, lambda texts: predict_probabilities(checkpoint, texts)
    from kerastx.runtime.session import load

    session = load(source)
    return session.manifest.task, session.labels, session.predict_probabilities
