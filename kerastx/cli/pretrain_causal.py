"""Pretraining a language model: each token from all before it."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from kerastx.checkpoint.store import Checkpoint, load_checkpoint
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli.bad_batch import explain_rows
from kerastx.cli.lesson import Lesson
from kerastx.cli.pretrain_request import (
    PretrainRequest,
    check_tokenizer,
    row_settings,
    tell_of_sentences,
    validation_of,
)
from kerastx.data.running_text import next_token_dataset
from kerastx.data.store import TokenStore
from kerastx.models.decoder_config import LanguageModelConfig
from kerastx.models.language_model import LanguageModel

LEARNING_RATE = 1e-3


def causal_lesson(request: PretrainRequest, store: TokenStore) -> Lesson:
    """Return the lesson of a language model, on rows of running text."""
    tell_of_sentences(request, store)
    sizes: dict[str, Any] = {"seed": request.seed, "batch_size": request.batch_size, "max_length": request.max_length}
    batches = functools.partial(next_token_dataset, store, **sizes)
    return Lesson(
        title="pretrain",
        dataset=lambda first: batches(start_step=first),
        validation=validation_of(batches),
        build=functools.partial(_initial_checkpoint, request, store),
        tokens_per_batch=request.batch_size * request.max_length,
        learning_rate=LEARNING_RATE,
        settings=lambda checkpoint: {
            **row_settings(request, store),
            "language_model": checkpoint.config.to_dict(),
        },
        explain=functools.partial(explain_rows, store, request.output, **sizes),
        loss=("loss", "loss"),
        facts={"unigram_entropy": store.unigram_entropy},
    )


def _initial_checkpoint(request: PretrainRequest, store: TokenStore) -> Checkpoint:
    changed: dict[str, Any] = {} if request.dropout_rate is None else {"dropout_rate": request.dropout_rate}
    if request.start is None:
        config = LanguageModelConfig.preset(
            request.preset,
            vocabulary_size=store.tokenizer.vocabulary_size,
            # Positions beyond those of the rows would never be trained.
            max_sequence_length=request.max_length,
            **changed,
        )
        model = LanguageModel(config)
    else:
        source = load_checkpoint(request.start)
        check_tokenizer(request, source, store)
        config = replace(source.config, **changed)
        model = LanguageModel(config)
        transfer_weights(source.model, model)
    return Checkpoint(
        model=model,
        tokenizer=store.tokenizer,
        config=config,
        task="language_model",
        max_length=request.max_length,
    )
