"""The rows of a fine-tuning run: to train on, to choose the best epoch by, and to score."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerastx.cli.training_request import SMALLEST_HOLD_OUT
from kerastx.data.hold_out import hold_out
from kerastx.data.labelled import LabelledData
from kerastx.data.pipeline import balanced_class_weights
from kerastx.data.readers import read_labelled
from kerastx.errors import DataError

if TYPE_CHECKING:
    from kerastx.cli.finetune_run import FinetuneRequest

# More labels than this, and than half of the rows: a column of texts was taken for labels.
MOST_SINGLE_LABELS = 50
# The dev rows that --dev-share took, written into the output: export and evaluate score on the same.
DEV_FILE = "dev.jsonl"


@dataclass(frozen=True)
class FinetuneRows:
    """Rows that are trained on, that choose the best epoch, and that are only scored; no text is in two of them."""

    train: LabelledData
    held_out: LabelledData | None
    dev: LabelledData | None


def read_rows(request: FinetuneRequest) -> FinetuneRows:
    """Read the files, and take the dev and held-out rows from the training rows by the hashes of their texts."""
    read = functools.partial(
        read_labelled,
        text_column=request.text_column,
        pair_column=request.pair_column,
        label_column=request.label_column,
        pairs=request.pairs,
        negative_column=request.negative_column,
        task=request.row_task,
    )
    train = read(request.train)
    if train.task in ("classification", "multi_label") and len(train.label_names) < 2:
        raise DataError(f"{request.train}: expected at least 2 labels, got only {', '.join(train.label_names)}")
    if train.task == "classification" and len(train.label_names) > max(MOST_SINGLE_LABELS, len(train) // 2):
        raise DataError(
            f"{request.train}: expected labels that many rows share, got {len(train.label_names):,} different ones in "
            f"{len(train):,} rows; name the right column: --label-column"
        )
    dev = read(request.dev, labels=train.label_names or None) if request.dev else None
    if dev is None and request.dev_share:
        train, dev = hold_out(train, request.dev_share)
    if request.limit is not None:
        train = train.subset(np.random.default_rng(request.seed).permutation(len(train))[: request.limit])
    held_out = None
    if request.hold_out * len(train) >= SMALLEST_HOLD_OUT:
        train, held_out = hold_out(train, request.hold_out, salt="hold-out")
    return FinetuneRows(train, held_out, dev)


def check_tells_apart(data: LabelledData, batch_size: int) -> None:
    """Raise DataError where vectors would be trained on nothing: no row of a batch would differ from another."""
    if data.negatives is not None:
        return
    if batch_size < 2:
        raise DataError(
            "vectors are trained by comparing rows of a batch: expected a --batch-size of at least 2, got 1"
        )
    if len(np.unique(data.targets)) < 2:
        found = "the same rating in every row" if data.task == "regression" else "rows that all share texts"
        raise DataError(f"vectors are trained by telling rows apart, got {found}")


def class_weights(wish: str | None, data: LabelledData) -> dict[str, float] | None:
    """Read --class-weights: "balanced", or LABEL=WEIGHT with commas; labels that are not named weigh 1."""
    if wish is None:
        return None
    if data.task != "classification":
        raise ValueError(f"--class-weights are for classification, not for {data.task}.")
    if wish == "balanced":
        return balanced_class_weights(data)
    weights = dict.fromkeys(data.label_names, 1.0)
    for part in wish.split(","):
        label, _, number = part.rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if label not in weights or not 0 <= weight < math.inf:
            known = ", ".join(data.label_names)
            raise DataError(f"--class-weights: expected balanced or LABEL=WEIGHT of the labels {known}, got {part!r}")
        weights[label] = weight
    if not any(weights.values()):
        raise DataError("--class-weights: expected a weight above 0 for some label, got 0 for all")
    return weights
