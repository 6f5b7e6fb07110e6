"""Options that several verbs share."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Seed = Annotated[int, typer.Option("--seed", help="Every random choice follows from it.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1)]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="Header name of the text [text, sentence, ...].")]
PairColumn = Annotated[
    str | None, typer.Option("--pair-column", help="Header name of the second text, where two are judged together.")
]
LabelColumn = Annotated[str | None, typer.Option("--label-column", help="Header name of the label [label].")]
SourceColumn = Annotated[
    str | None, typer.Option("--source-column", help="Header name of what is read [source, document, ...].")
]
TargetColumn = Annotated[
    str | None, typer.Option("--target-column", help="Header name of what is written [target, summary, ...].")
]
Dev = Annotated[
    Path | None,
    typer.Option("--dev", help="To score on: labelled rows (TSV, CSV, JSONL), questions, pairs, or text."),
]
DevTarget = Annotated[Path | None, typer.Option("--dev-target", help="Lines that belong to those of --dev.")]


class DocumentEnds(StrEnum):
    blank = "blank"
    file = "file"
    heading = "heading"


Documents = Annotated[
    DocumentEnds | None, typer.Option("--documents", help="What separates the documents of a text file [blank].")
]


class Precisions(StrEnum):
    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


def _positive(value: float | None) -> float | None:
    """Refuse what a range cannot: NaN compares as neither too small nor too large."""
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise typer.BadParameter(f"expected a number above 0, got {value:g}")
    return value


LearningRate = Annotated[
    float, typer.Option("--learning-rate", callback=_positive, help="Peak of the schedule; it warms up and decays.")
]
ChosenRate = Annotated[
    float | None,
    typer.Option(
        "--learning-rate", callback=_positive, help="Peak of the schedule [5e-4; 1e-3 for a model that writes]."
    ),
]
WritingRate = Annotated[
    float | None,
    typer.Option("--learning-rate", callback=_positive, help="Peak of the schedule [1.2e-3; 1e-4 with --from]."),
]
Minutes = Annotated[
    float | None, typer.Option("--minutes", callback=_positive, help="Wall-clock time to train, checkpoints included.")
]
Precision = Annotated[
    Precisions, typer.Option("--precision", help="Of matrix products; auto: bfloat16 where the CPU has it.")
]
HoldOut = Annotated[
    float, typer.Option("--hold-out", min=0, max=0.5, help="Share of the rest that chooses the best epoch.")
]
Patience = Annotated[int, typer.Option("--patience", min=1, help="Epochs without a better one that end it.")]
LayerDecay = Annotated[
    float, typer.Option("--layer-decay", help="Factor of the learning rate from each layer to the one below.")
]
Freeze = Annotated[int, typer.Option("--freeze", min=0, help="First blocks, and embeddings, that are not trained.")]
FreezeEmbeddings = Annotated[
    bool, typer.Option("--freeze-embeddings", help="Leave the token embedding as it is: faster on a CPU.")
]
DropoutRate = Annotated[float | None, typer.Option("--dropout-rate", help="In every layer [as in --from].")]
From = Annotated[str, typer.Option("--from", help="Checkpoint, Hugging Face folder or name to start from.")]
Output = Annotated[Path, typer.Option("--output", help="Folder of the checkpoint.")]
Accumulate = Annotated[int, typer.Option("--accumulate", min=1, help="Batches that make one update.")]
