"""The larger model that a fine-tuning run learns from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerastx.checkpoint.answering import predict
from kerastx.checkpoint.store import Checkpoint
from kerastx.cli.console import progress
from kerastx.data.labelled import LabelledData
from kerastx.errors import CheckpointError
from kerastx.sources import load_checkpoint

ROWS_AT_ONCE = 4096


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
    order = [teacher.labels.index(label) for label in data.label_names]
    parts = []
    with progress() as report:
        for start in range(0, len(data), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            parts.append(predict(teacher, data.texts[rows], data.pairs and data.pairs[rows])["logits"])
            report(f"asking the teacher about {len(data):,} rows", min(rows.stop, len(data)), len(data))
    return np.concatenate(parts)[:, order]


def taught(teacher: Checkpoint, data: LabelledData, texts: Sequence[str] = ()) -> tuple[LabelledData, np.ndarray]:
    """Return the rows, behind them `texts` with the labels that the teacher finds likeliest, and its logits of all."""
    logits = teacher_logits(teacher, data)
    if not texts:
        return data, logits
    names = data.label_names
    more = teacher_logits(teacher, LabelledData.of(texts, [names[0]] * len(texts), names))
    judged = LabelledData.of(texts, [names[number] for number in more.argmax(axis=-1)], names)
    return data.followed_by(judged), np.concatenate([logits, more])
