"""What every verb of `kerastx finetune` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Fewer rows than this choose no epoch: one of them would be a step of several points.
SMALLEST_HOLD_OUT = 16


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """The options that a classifier, a sentence encoder and a tagger share."""

    train: Path
    start: str
    output: Path
    dev: Path | None = None
    hold_out: float = 0.05
    patience: int = 2
    epochs: int = 3
    learning_rate: float = 3e-4
    layer_decay: float = 1.0
    batch_size: int = 32
    max_length: int = 128
    limit: int | None = None
    precision: str = "auto"
    freeze: int = 0
    freeze_embeddings: bool = False
    dropout_rate: float | None = None
    seed: int = 1
    force: bool = False
