"""The larger model that a fine-tuning run learns from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerastx.checkpoint.answering import predict
from kerastx.checkpoint.store import Checkpoint
from kerastx.cli.console import say
from kerastx.data.labelled import LabelledData
from kerastx.errors import CheckpointError
from kerastx.sources import load_checkpoint


def load_teacher(name: str, labels: Sequence[str], *, pairs: bool) -> Checkpoint:
    """Open a teacher; CheckpointError unless it classifies into the same labels, in any order, and takes the rows.

    A teacher of single texts may teach pairs: an imported model does not say whether it was trained on them.
    """
    teacher = load_checkpoint(name)
    if teacher.task != "classification" or set(teacher.labels) != set(labels):
        raise CheckpointError(
            f"--teacher {name}: expected a classification into {', '.join(labels)}, "
            f"found {teacher.task} with {', '.join(teacher.labels) or 'no labels'}"
        )
    if teacher.pair and not pairs:
        raise CheckpointError(
            f"--teacher {name}: expected a teacher of single texts, found one that answers pairs; "
            "for pairs use: kerastx finetune pair"
        )
    return teacher


def teacher_logits(teacher: Checkpoint, data: LabelledData) -> np.ndarray:
    """Return what a teacher says of the rows, float32 (N, C), in the order of the rows' labels."""
    say(f"asking the teacher about {len(data):,} rows ...")
    order = [teacher.labels.index(label) for label in data.label_names]
    return predict(teacher, data.texts, data.pairs)["logits"][:, order]
