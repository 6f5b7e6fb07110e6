"""The pieces of training a tagger put together: sentences, model, fit, entity scores."""

from __future__ import annotations

import time

import keras
import numpy as np

from kerastx.analysis.entity_scores import tagger_scores
from kerastx.checkpoint.store import Checkpoint, check_output, in_float32, save_checkpoint
from kerastx.checkpoint.tagging import tagged
from kerastx.checkpoint.tasks import build_model
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli.console import in_parts, say
from kerastx.cli.run_record import record_finetuning
from kerastx.cli.training_request import SMALLEST_HOLD_OUT, TrainingRequest
from kerastx.cli.windowed_fit import fit_windows
from kerastx.data.hold_out import held_rows
from kerastx.data.tagged import TaggedData, joined, read_tagged, with_entities
from kerastx.data.tagging import tagging_dataset
from kerastx.models.config import with_dropout
from kerastx.sources import load_start
from kerastx.training.batch_log import BatchLog
from kerastx.training.finetune import freeze_layers
from kerastx.training.precision import precision, resolve_precision


def run_tagging(request: TrainingRequest) -> dict[str, float]:
    """Train, save, and return the time of training and, with dev sentences, the scores of entities."""
    check_output(request.output, force=request.force)
    train = with_entities(request.train, read_tagged(request.train))
    dev = None
    if request.dev is not None:
        dev = with_entities(request.dev, read_tagged(request.dev, labels=train.labels))
    train, held_out = _parts(request, train)
    keras.utils.set_random_seed(request.seed)
    with precision(resolve_precision(request.precision)):
        checkpoint = _initial_checkpoint(request, train.labels)
    freeze_layers(checkpoint.model, request.freeze, embeddings=request.freeze_embeddings)
    started = time.monotonic(), time.process_time()
    log = _fit(request, checkpoint, train, held_out)
    times = {
        "train_seconds": time.monotonic() - started[0] - log.dev_seconds,
        "train_cpu_seconds": time.process_time() - started[1] - log.dev_cpu_seconds,
    }
    checkpoint = in_float32(checkpoint)
    save_checkpoint(request.output, checkpoint, force=request.force)
    record_finetuning(request.output, log.rows)
    return times if dev is None else {**times, **_scores(checkpoint, dev)}


def _parts(request: TrainingRequest, train: TaggedData) -> tuple[TaggedData, TaggedData | None]:
    if request.limit is not None:
        train = train.subset(np.random.default_rng(request.seed).permutation(len(train))[: request.limit])
    if request.hold_out * len(train) < SMALLEST_HOLD_OUT:
        return train, None
    held = held_rows([joined(row.words)[0] for row in train.sentences], request.hold_out, salt="hold-out")
    return train.subset(np.flatnonzero(~held)), train.subset(np.flatnonzero(held))


def _initial_checkpoint(request: TrainingRequest, labels: tuple[str, ...]) -> Checkpoint:
    source = load_start(request.start)
    config = with_dropout(source.config, request.dropout_rate)
    model = build_model("tagging", config, labels)
    goes_on = source.labels == labels and source.task == "tagging"
    transfer_weights(source.model, model, leave=() if goes_on else ("tagger_head",))
    return Checkpoint(
        model=model,
        tokenizer=source.tokenizer,
        config=config,
        task="tagging",
        labels=labels,
        max_length=request.max_length,
    )


def _fit(request: TrainingRequest, checkpoint: Checkpoint, train: TaggedData, held_out: TaggedData | None) -> BatchLog:
    sizes = {"batch_size": request.batch_size, "max_length": request.max_length}
    batches = tagging_dataset(train, checkpoint.tokenizer, seed=request.seed, **sizes)
    chosen_by = None if held_out is None else tagging_dataset(held_out, checkpoint.tokenizer, **sizes)
    return fit_windows(request, checkpoint.model, "tagging", batches, chosen_by)


def _scores(checkpoint: Checkpoint, dev: TaggedData) -> dict[str, float]:
    tag = in_parts(lambda texts: tagged(checkpoint, texts), f"tagging {len(dev):,} dev sentences")
    scores = tagger_scores(tag, dev)
    shown = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
    say(f"dev, {len(dev):,} sentences, entities: {shown}")
    return {"rows": len(dev), **scores}
