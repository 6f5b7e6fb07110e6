"""kerastx export: a checkpoint to verified TFLite and ONNX files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import (
    Dev,
    DevTarget,
    Documents,
    Force,
    Json,
    LabelColumn,
    PairColumn,
    SourceColumn,
    TargetColumn,
    TextColumn,
)
from kerastx.cli.quiet import import_tensorflow

LEAST_CONTEXT = 4  # a beginning, a token, and room for another one


class Recipe(StrEnum):
    fp32 = "fp32"
    fp16 = "fp16"
    dynamic_wi8_afp32 = "dynamic_wi8_afp32"


class Input(StrEnum):
    ids = "ids"
    text = "text"
    both = "both"


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of the files and the report.")],
    formats: Annotated[str, typer.Option("--formats", help="tflite, onnx or both with a comma.")] = "tflite,onnx",
    recipe: Annotated[Recipe, typer.Option("--recipe", help="How weights are stored.")] = Recipe.dynamic_wi8_afp32,
    takes: Annotated[
        Input | None,
        typer.Option("--input", help="What files take; with text the tokenizer is inside [both where it can be]."),
    ] = None,
    text_bytes: Annotated[
        int | None,
        typer.Option("--text-bytes", min=1, help="Bytes of a text that are read [6 a token, at least 512]."),
    ] = None,
    dev: Dev = None,
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: LabelColumn = None,
    dev_target: DevTarget = None,
    source_column: SourceColumn = None,
    target_column: TargetColumn = None,
    documents: Documents = None,
    context: Annotated[
        int | None,
        typer.Option("--context", min=LEAST_CONTEXT, help="Of what writes: tokens of a text [all the model can]."),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="Of what writes: a .tflite also writes a whole greedy text at one call.")
    ] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Convert, quantize, run and compare; a file that does not answer like Keras is not kept.

    With --dev the report has the scores of file and Keras side by side. Of a language model it is text, of a translator
    or summarizer pairs, as `kerastx evaluate` reads them.

    Example: `kerastx export build/classifier --output build/export --dev dev.tsv`
    """
    import_tensorflow("export")
    from kerastx.checkpoint.store import load_checkpoint
    from kerastx.cli.console import progress, say
    from kerastx.cli.dev_rows import read_rows_of
    from kerastx.runtime.text_entries import SMALLEST_BUDGET
    from kerastx_export.export import export_checkpoint

    names = tuple(name.strip() for name in formats.split(",") if name.strip())
    if not names or set(names) - {"tflite", "onnx"}:
        raise typer.BadParameter(f"expected tflite, onnx or tflite,onnx, got {formats!r}", param_hint="--formats")
    if text_bytes is not None and takes == Input.ids:
        raise typer.BadParameter("is of files that take text: --input both", param_hint="--text-bytes")
    loaded = load_checkpoint(checkpoint)
    least = max(min(loaded.max_length, context or loaded.max_length), SMALLEST_BUDGET)
    if text_bytes is not None and text_bytes < least:
        message = f"expected at least {least}, a byte for each token, got {text_bytes}"
        raise typer.BadParameter(message, param_hint="--text-bytes")
    rows = read_rows_of(
        dev,
        loaded,
        text_column=text_column,
        pair_column=pair_column,
        label_column=label_column,
        target=dev_target,
        source_column=source_column,
        target_column=target_column,
        documents=None if documents is None else documents.value,
    )
    with progress() as report_progress:
        report = export_checkpoint(
            loaded,
            output,
            formats=names,
            recipe=recipe.value,
            dev=rows,
            inputs=None if takes is None else takes.value,
            text_bytes=text_bytes,
            context=context,
            loop=loop,
            force=force,
            progress=report_progress,
        )
    if json:
        print((output / "report.json").read_text(encoding="utf-8"))
    else:
        say(report.summary())
