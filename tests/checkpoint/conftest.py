"""A small checkpoint of each task."""

from __future__ import annotations

import pytest

from kerastx.checkpoint.store import Checkpoint, build_model
from kerastx.models.config import EncoderConfig
from kerastx.text.tokenizer import Tokenizer

TEXTS = ["the cat sat on the mat", "a dog ran over the hill", "rain fell on the grey town", "who ate the cake?"] * 5


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, vocabulary_size=120)


@pytest.fixture(scope="session")
def config(tokenizer) -> EncoderConfig:
    return EncoderConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=16,
        num_layers=1,
        num_heads=2,
        intermediate_dim=32,
        max_sequence_length=32,
    )


@pytest.fixture
def make_checkpoint(tokenizer, config):
    """A function from task and labels to a checkpoint with fresh weights."""

    def make(task: str = "classification", labels: tuple[str, ...] = ("no", "yes")) -> Checkpoint:
        labels = labels if task == "classification" else ()
        return Checkpoint(
            model=build_model(task, config, labels),
            tokenizer=tokenizer,
            config=config,
            task=task,
            labels=labels,
            max_length=16,
            description="for tests",
        )

    return make
