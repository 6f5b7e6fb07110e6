"""kerastx import: a pretrained model of somebody else to a checkpoint of ours, or one of ours to Hugging Face."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import Force
from kerastx.cli.quiet import import_tensorflow

MOST_SHOWN = 8


class Task(StrEnum):
    encoder = "encoder"
    pretraining = "pretraining"
    masked_lm = "masked_lm"
    embedding = "embedding"
    tagging = "tagging"
    span = "span"
    classification = "classification"
    multi_label = "multi_label"
    regression = "regression"
    language_model = "language_model"
    seq2seq = "seq2seq"


def import_model(
    source: Annotated[
        str, typer.Argument(help="Hugging Face folder or OWNER/NAME, installed:PACKAGE, keras-nlp:PRESET, checkpoint.")
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder of the checkpoint.")],
    task: Annotated[
        Task | None, typer.Option("--task", help="encoder: leave a head out [the task of the head].")
    ] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit on the Hub.")] = None,
    pair: Annotated[bool, typer.Option("--pair", help="The model answers for two texts together.")] = False,
    to_huggingface: Annotated[
        bool, typer.Option("--to-huggingface", help="Write a folder that transformers loads instead.")
    ] = False,
    force: Force = False,
) -> None:
    """Read a model, account for each of its arrays, and write it as a checkpoint.

    Example: `kerastx import google-bert/bert-base-uncased --output build/bert`
    """
    import_tensorflow("train")
    from dataclasses import replace

    from kerastx.checkpoint.store import check_output, save_checkpoint
    from kerastx.cli.console import say
    from kerastx.errors import CheckpointError
    from kerastx.sources import load_checkpoint

    if not to_huggingface:
        check_output(output, force=force)
    elif output.exists() and not force:
        raise CheckpointError(f"{output} exists; choose another output or use --force")
    checkpoint = load_checkpoint(source, task=None if task is None else task.value, revision=revision)
    if pair:
        checkpoint = replace(checkpoint, pair=True)
    if left_out := checkpoint.left_out:
        shown = ", ".join(left_out[:MOST_SHOWN]) + (", ..." if len(left_out) > MOST_SHOWN else "")
        say(f"left out, the {checkpoint.task} model has no place for them: {shown}")
    if to_huggingface:
        checkpoint.save_huggingface(output, force=force)
    else:
        save_checkpoint(output, checkpoint, force=force)
    labels = f", labels {', '.join(checkpoint.labels[:MOST_SHOWN])}" if checkpoint.labels else ""
    print(
        f"{output}: {checkpoint.task}, {checkpoint.model.count_params():,} weights, "
        f"{checkpoint.tokenizer.vocabulary_size:,} tokens, cuts at {checkpoint.max_length}{labels}"
    )
