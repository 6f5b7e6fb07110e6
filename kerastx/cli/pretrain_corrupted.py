"""Pretraining an encoder-decoder: what is missing from a text."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from kerastx.checkpoint.store import Checkpoint, load_checkpoint
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli.lesson import Lesson
from kerastx.cli.pretrain_request import (
    PretrainRequest,
    check_tokenizer,
    row_settings,
    tell_of_sentences,
    validation_of,
)
from kerastx.data.running_text import corrupted_dataset
from kerastx.data.span_corruption import SENTINELS
from kerastx.data.store import TokenStore
from kerastx.errors import DataError
from kerastx.models.decoder_config import Seq2SeqConfig
from kerastx.models.seq2seq import Seq2Seq

LEARNING_RATE = 1e-3
LEAST_POSITIONS = 512


def corrupted_lesson(request: PretrainRequest, store: TokenStore) -> Lesson:
    """Return the lesson of an encoder-decoder, on texts with gaps."""
    tell_of_sentences(request, store)
    sizes: dict[str, Any] = {"seed": request.seed, "batch_size": request.batch_size, "max_length": request.max_length}
    batches = functools.partial(corrupted_dataset, store, **sizes)
    return Lesson(
        title="pretrain",
        dataset=lambda first: batches(start_step=first),
        validation=validation_of(batches),
        build=functools.partial(_initial_checkpoint, request, store),
        tokens_per_batch=request.batch_size * request.max_length,
        learning_rate=LEARNING_RATE,
        settings=lambda checkpoint: {**row_settings(request, store), "seq2seq": checkpoint.config.to_dict()},
        loss=("loss", "loss"),
        facts={"unigram_entropy": store.unigram_entropy},
    )


def _initial_checkpoint(request: PretrainRequest, store: TokenStore) -> Checkpoint:
    changed: dict[str, Any] = {} if request.dropout_rate is None else {"dropout_rate": request.dropout_rate}
    rows = store.tokenizer.vocabulary_size + SENTINELS
    if request.start is None:
        config = Seq2SeqConfig.preset(
            request.preset,
            vocabulary_size=rows,
            max_sequence_length=max(LEAST_POSITIONS, request.max_length + 2),
            norm="pre-norm",
            **changed,
        )
        model = Seq2Seq(config)
    else:
        source = load_checkpoint(request.start)
        check_tokenizer(request, source, store)
        config = replace(source.config, **changed)
        if config.vocabulary_size < rows:
            raise DataError(
                f"{request.start} was not trained on gaps: its table has no {SENTINELS} places behind the vocabulary"
            )
        model = Seq2Seq(config)
        transfer_weights(source.model, model)
    return Checkpoint(
        model=model,
        tokenizer=store.tokenizer,
        config=config,
        task="seq2seq",
        max_length=request.max_length,
    )
