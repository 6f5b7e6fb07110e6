"""Small checkpoints that write, with random weights: what they write is nonsense, and the same nonsense each time."""

from __future__ import annotations

import functools

import generating_models
import keras
import numpy as np

from kerastx.checkpoint.store import Checkpoint
from kerastx.text.tokenizer import Tokenizer

TEXTS = ["the cat sat on the mat", "a dog ran over the hill", "rain fell on the grey town", "who ate the cake?"] * 5
CONTEXT = 24


@functools.cache
def words() -> Tokenizer:
    return Tokenizer.train(TEXTS, vocabulary_size=120)


@functools.cache
def language_model(name: str = "gpt2") -> Checkpoint:
    """A language model with a table of three rows more than it has tokens."""
    size = words().vocabulary_size + 3
    model = generating_models.language_model(name, vocabulary_size=size, max_sequence_length=CONTEXT)
    return Checkpoint(model=model, tokenizer=words(), config=model.config, task="language_model", max_length=CONTEXT)


@functools.cache
def seq2seq(name: str = "transformer") -> Checkpoint:
    size = words().vocabulary_size
    model = generating_models.seq2seq(name, vocabulary_size=size, max_sequence_length=CONTEXT)
    return Checkpoint(model=model, tokenizer=words(), config=model.config, task="seq2seq", max_length=16)


@functools.cache
def ending_seq2seq() -> Checkpoint:
    """One some of whose targets end soon: random logits nearly never make the end the most probable token."""
    keras.utils.set_random_seed(1)
    size = words().vocabulary_size
    model = generating_models.seq2seq(
        "transformer", vocabulary_size=size, max_sequence_length=CONTEXT, output_bias=True
    )
    bias = model.get_layer("vocabulary_logits").bias
    bias.assign(bias + 7.0 * (np.arange(size) == words().sep_id))
    return Checkpoint(model=model, tokenizer=words(), config=model.config, task="seq2seq", max_length=16)
