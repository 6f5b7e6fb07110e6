"""kerastx finetune translate and summarize: pairs of texts to a model that writes the second for the first."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import (
    DevTarget,
    Force,
    Json,
    Minutes,
    Output,
    Precision,
    Precisions,
    Seed,
    SourceColumn,
    TargetColumn,
    WritingRate,
)
from kerastx.cli.quiet import import_tensorflow

TRANSLATE = """Train a translator on pairs of texts: a table, or two files whose lines belong together.

Example: `kerastx finetune translate --train train.en --train-target train.de --dev val.en --dev-target val.de
--output build/en-de`
"""
SUMMARIZE = """Train a model that writes summaries, or titles, of texts.

Example: `kerastx finetune summarize --train train.jsonl --dev dev.jsonl --source-column body --target-column subject
--output build/subjects`
"""
# Tokens of a text: a sentence, or an article.
LENGTHS = {"translate": 128, "summarize": 512}


class Preset(StrEnum):
    transformer_tiny = "transformer-tiny"
    transformer_mini = "transformer-mini"
    transformer_small = "transformer-small"
    transformer_medium = "transformer-medium"
    transformer_base = "transformer-base"
    t5_tiny = "t5-tiny"
    t5_mini = "t5-mini"
    t5_small = "t5-small"
    t5_medium = "t5-medium"
    t5_base = "t5-base"


def write(
    context: typer.Context,
    train: Annotated[Path, typer.Option("--train", help="Pairs: TSV, CSV or JSONL; or lines, with --train-target.")],
    output: Output,
    train_target: Annotated[
        Path | None, typer.Option("--train-target", help="Lines that belong to those of --train.")
    ] = None,
    dev: Annotated[Path | None, typer.Option("--dev", help="Pairs to score on.")] = None,
    dev_target: DevTarget = None,
    source_column: SourceColumn = None,
    target_column: TargetColumn = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Checkpoint to go on from [a new model of --preset].")
    ] = None,
    preset: Annotated[
        Preset | None, typer.Option("--preset", help="FAMILY-SIZE of a new model [transformer-mini].")
    ] = None,
    vocabulary_size: Annotated[
        int | None, typer.Option("--vocabulary-size", min=300, help="Of a new model, for both sides [8000].")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the pairs [20].")] = None,
    minutes: Minutes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was cut.")] = False,
    batch_tokens: Annotated[
        int, typer.Option("--batch-tokens", min=1, help="Tokens of a batch on either side, padding included.")
    ] = 2560,
    max_length: Annotated[
        int | None, typer.Option("--max-length", min=3, help="Tokens kept of a text [128; 512 to summarize].")
    ] = None,
    learning_rate: WritingRate = None,
    label_smoothing: Annotated[float, typer.Option("--label-smoothing", min=0, max=0.9)] = 0.1,
    dropout_rate: Annotated[
        float | None, typer.Option("--dropout-rate", help="In every layer [0.25, or as in --from].")
    ] = None,
    beams: Annotated[int, typer.Option("--beams", min=1, help="Score with so many beams too.")] = 1,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Use this many training pairs, drawn by the seed.")
    ] = None,
    precision: Precision = Precisions.auto,
    save_every: Annotated[
        int | None, typer.Option("--save-every", min=1, help="Steps between checkpoints [as 2 % of the time allows].")
    ] = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Newest checkpoints that stay.")] = 2,
    seed: Seed = 1,
    force: Force = False,
    json: Json = False,
) -> None:
    if epochs is not None and minutes is not None:
        raise typer.BadParameter("choose one of --epochs and --minutes")
    if resume and force:
        raise typer.BadParameter("--resume continues a run, --force replaces it: give one")
    if start is not None and (preset or vocabulary_size):
        raise typer.BadParameter("--from brings its own model: leave out --preset and --vocabulary-size")
    if dev_target is not None and dev is None:
        raise typer.BadParameter("--dev-target belongs to --dev")
    import_tensorflow("train")
    from kerastx.cli.writing_run import WritingRequest, run_writing

    task = context.command.name or "translate"
    scores = run_writing(
        WritingRequest(
            task=task,
            train=train,
            train_target=train_target,
            dev=dev,
            dev_target=dev_target,
            source_column=source_column,
            target_column=target_column,
            start=start,
            preset=(preset or Preset.transformer_mini).value,
            vocabulary_size=vocabulary_size or 8000,
            epochs=epochs or 20,
            minutes=minutes,
            resume=resume,
            batch_tokens=batch_tokens,
            max_length=max_length or LENGTHS[task],
            learning_rate=learning_rate,
            label_smoothing=label_smoothing,
            dropout_rate=dropout_rate,
            beams=beams,
            limit=limit,
            precision=precision.value,
            save_every=save_every,
            keep=keep,
            seed=seed,
            output=output,
            force=force,
        )
    )
    if json:
        import json as json_module

        print(json_module.dumps(scores))
