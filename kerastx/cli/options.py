"""Options that several verbs share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Seed = Annotated[int, typer.Option("--seed", help="Every random choice follows from it.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1)]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="Header name of the text [text, sentence, ...].")]
LabelColumn = Annotated[str | None, typer.Option("--label-column", help="Header name of the label [label].")]
Dev = Annotated[Path | None, typer.Option("--dev", help="Labelled rows (TSV, CSV, JSONL) to score on.")]


class Precisions(StrEnum):
    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


Precision = Annotated[
    Precisions, typer.Option("--precision", help="Of matrix products; auto: bfloat16 where the CPU has it.")
]
Accumulate = Annotated[int, typer.Option("--accumulate", min=1, help="Batches that make one update.")]
