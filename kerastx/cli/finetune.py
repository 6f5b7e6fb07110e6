"""kerastx finetune TASK: a pretrained checkpoint and labelled rows to a checkpoint that does the task."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import (
    Accumulate,
    BatchSize,
    Dev,
    Force,
    Json,
    LabelColumn,
    LearningRate,
    Precision,
    Precisions,
    Seed,
    TextColumn,
)
from kerastx.cli.quiet import import_tensorflow

app = typer.Typer(no_args_is_help=True, help="Train a pretrained encoder on a task.", rich_markup_mode="markdown")


@app.callback()
def _group() -> None:
    """Train a pretrained encoder on a task."""


@app.command("classify")
def classify(
    train: Annotated[Path, typer.Option("--train", help="Labelled rows: TSV, CSV or JSONL.")],
    start: Annotated[str, typer.Option("--from", help="Checkpoint, Hugging Face folder or name to start from.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of the checkpoint.")],
    dev: Dev = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 3,
    learning_rate: LearningRate = 3e-4,
    batch_size: BatchSize = 32,
    max_length: Annotated[int, typer.Option("--max-length", min=3, help="Tokens kept of a text.")] = 128,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Use this many training rows, drawn by the seed.")
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Ignore the pretrained weights: the control experiment.")
    ] = False,
    precision: Precision = Precisions.auto,
    accumulate: Accumulate = 1,
    freeze: Annotated[
        int,
        typer.Option("--freeze", min=0, help="First blocks, and embeddings, that are not trained."),
    ] = 0,
    dropout_rate: Annotated[float | None, typer.Option("--dropout-rate", help="In every layer [as in --from].")] = None,
    length_buckets: Annotated[
        bool, typer.Option("--length-buckets/--pad-to-max", help="Batches of like length, or all of --max-length.")
    ] = True,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    seed: Seed = 1,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a classifier and score it beside the majority class and TF-IDF.

    Example: `kerastx finetune classify --train train.tsv --dev dev.tsv --from build/pretrained
    --output build/classifier`
    """
    import_tensorflow("train")
    from kerastx.cli.finetune_run import FinetuneRequest, run_finetuning

    scores = run_finetuning(
        FinetuneRequest(
            train=train,
            dev=dev,
            start=start,
            output=output,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_length=max_length,
            limit=limit,
            random_weights=random_weights,
            precision=precision.value,
            accumulate=accumulate,
            freeze=freeze,
            dropout_rate=dropout_rate,
            length_buckets=length_buckets,
            text_column=text_column,
            label_column=label_column,
            seed=seed,
            force=force,
        )
    )
    if json:
        import json as json_module

        print(json_module.dumps(scores))
