"""Checkpoints that write whose files need no library for texts, and how a file is opened as if there was none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import generating_models
import writing_checkpoints
from graph_tokenizers import library_tokenizer

import kerastx
from kerastx.checkpoint.store import Checkpoint

GOLDEN = Path(__file__).resolve().parent / "golden" / "writers"


def two_vocabularies() -> Checkpoint:
    """A translator from a byte-level BPE to WordPiece."""
    source, target = library_tokenizer("byte-pair-prefix"), writing_checkpoints.words()
    model = generating_models.seq2seq(
        "transformer",
        vocabulary_size=target.vocabulary_size,
        source_vocabulary_size=source.vocabulary_size,
        max_sequence_length=24,
    )
    return Checkpoint(
        model=model,
        tokenizer=target,
        source_tokenizer=source,
        config=model.config,
        task="seq2seq",
        max_length=16,
    )


CHECKPOINTS: dict[str, Callable[[], Checkpoint]] = {
    "wordpiece": lambda: writing_checkpoints.language_model("llama"),
    "gpt2": lambda: kerastx.load(str(GOLDEN / "gpt2")),
    "bart": lambda: kerastx.load(str(GOLDEN / "bart")),
    "two-vocabularies": two_vocabularies,
}


def without_library(monkeypatch, path):
    """Return a file, opened as on a machine that has no `tokenizers`."""
    with monkeypatch.context() as machine:
        machine.setitem(sys.modules, "tokenizers", None)
        machine.delitem(sys.modules, "kerastx.text.tokenizer", raising=False)
        return kerastx.load(path)
