"""Small checkpoints of every kind that the files which take text differ in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from small_classifier import small_classifier

import kerastx
from kerastx.checkpoint.store import Checkpoint, build_model
from kerastx.models.config import EncoderConfig
from kerastx.text.question_windows import SpanSettings

_GOLDEN = Path(__file__).resolve().parent / "golden"


def headed(task: str) -> Checkpoint:
    """A checkpoint of a task whose answers are places in a text."""
    small = small_classifier()
    labels = ("PER", "ORG") if task == "tagging" else ()
    config = EncoderConfig(**{**small.config.to_dict(), "num_segments": 2})
    model = build_model(task, config, labels, tokenizer=small.tokenizer)
    noise = np.random.default_rng(8)
    for variable in model.weights:
        variable.assign(variable.numpy() + noise.normal(0, 0.3, variable.shape))
    span = SpanSettings(stride=8, max_answer_tokens=6) if task == "span" else None
    pair = task == "span"
    return dataclasses.replace(small, model=model, config=config, task=task, labels=labels, span=span, pair=pair)


TEXT_CHECKPOINTS: dict[str, Callable[[], Checkpoint]] = {
    "wordpiece": small_classifier,
    "pair": lambda: dataclasses.replace(small_classifier(), pair=True),
    "byte-pair": lambda: kerastx.load(str(_GOLDEN / "roberta-classifier")),
    "tagging": lambda: headed("tagging"),
    "span": lambda: headed("span"),
}
