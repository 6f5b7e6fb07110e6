"""Pretraining an encoder: masked words and next sentences."""

from __future__ import annotations

import functools

from kerastx.checkpoint.progress import step_folders
from kerastx.checkpoint.store import Checkpoint, load_checkpoint
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli.bad_batch import explain_batch
from kerastx.cli.console import say
from kerastx.cli.lesson import Lesson
from kerastx.cli.pretrain_request import PretrainRequest, check_tokenizer, row_settings, validation_of
from kerastx.data.packing import PACK_BELOW, fill_share, packing_plan
from kerastx.data.pipeline import pretraining_dataset
from kerastx.data.store import TokenStore
from kerastx.models.config import EncoderConfig, with_dropout
from kerastx.models.pretraining import build_pretrainer
from kerastx.models.warm_start import start_from_counts

DROPOUT_RATE = 0.1  # as BERT
LEARNING_RATE = 5e-4


def masked_lesson(request: PretrainRequest, store: TokenStore) -> Lesson:
    """Return the lesson of an encoder; it packs where asked to, else where a quarter of the rows would be padding."""
    pack = fill_share(store, request.max_length) < PACK_BELOW if request.pack is None else request.pack
    count, per_row = packing_plan(store, request.batch_size, request.max_length) if pack else (request.batch_size, None)
    batches = functools.partial(
        pretraining_dataset,
        store,
        seed=request.seed,
        batch_size=request.batch_size,
        max_length=request.max_length,
        whole_word=request.whole_word,
        pack=pack,
    )
    if pack:
        say("several short pairs in a row")
    return Lesson(
        title="pretrain",
        dataset=lambda first: batches(start_step=first),
        validation=validation_of(batches),
        build=functools.partial(_initial_checkpoint, request, store, per_row),
        tokens_per_batch=request.batch_size * request.max_length,
        learning_rate=LEARNING_RATE,
        settings=lambda checkpoint: {
            **row_settings(request, store),
            "encoder": checkpoint.config.to_dict(),
            "whole_word": request.whole_word,
            "random_start": request.random_start,
            "pack": pack,
        },
        explain=functools.partial(
            explain_batch,
            store,
            request.output,
            seed=request.seed,
            batch_size=count,
            max_length=request.max_length,
        ),
        loss=("masked_lm_loss", "masked-LM loss"),
        facts={"unigram_entropy": store.unigram_entropy},
    )


def _initial_checkpoint(request: PretrainRequest, store: TokenStore, sequences_per_row: int | None) -> Checkpoint:
    if request.start is None:
        config = EncoderConfig.preset(
            request.preset,
            vocabulary_size=store.tokenizer.vocabulary_size,
            norm=request.norm or "post-norm",
            dropout_rate=DROPOUT_RATE if request.dropout_rate is None else request.dropout_rate,
            max_sequence_length=max(512, request.max_length),
        )
        model = build_pretrainer(config, sequences_per_row=sequences_per_row)
        if not (request.random_start or (request.resume and step_folders(request.output))):
            say("counting which tokens stand together ...")
            vectors = store.token_vectors(config.hidden_dim, seed=request.seed)
            start_from_counts(model, store.token_counts(), vectors, seed=request.seed)
    else:
        source = load_checkpoint(request.start)
        check_tokenizer(request, source, store)
        config = with_dropout(source.config, request.dropout_rate)
        model = build_pretrainer(config, sequences_per_row=sequences_per_row)
        transfer_weights(source.model, model)
    return Checkpoint(
        model=model,
        tokenizer=store.tokenizer,
        config=config,
        task="pretraining",
        max_length=request.max_length,
    )
