"""The pieces of a pretraining run put together: store, model, plan, fit."""

from __future__ import annotations

import functools
import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from kerastx.checkpoint.progress import recorded_settings, step_folders
from kerastx.checkpoint.store import Checkpoint, is_replaceable, load_checkpoint
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli import bad_batch
from kerastx.cli.bad_batch import explain_batch
from kerastx.cli.console import say
from kerastx.cli.fit_progress import FitProgress
from kerastx.cli.run_record import PretrainingRecord, is_record
from kerastx.data.packing import PACK_BELOW, fill_share, packing_plan
from kerastx.data.pipeline import pretraining_dataset
from kerastx.data.store import TokenStore, open_store
from kerastx.data.wait import WaitMeter
from kerastx.errors import CheckpointError, DataError
from kerastx.locks import locked
from kerastx.models.config import EncoderConfig, with_dropout
from kerastx.models.pretraining import build_pretrainer
from kerastx.models.warm_start import start_from_counts
from kerastx.training.callbacks import InputWait
from kerastx.training.precision import precision, resolve_precision
from kerastx.training.pretrain import PretrainingPlan, pretrain

VALIDATION_BATCHES = 20
REPORT_EVERY = 50
DROPOUT_RATE = 0.1  # as BERT
COSTS = {"wait_share": "of the last row's time waiting for batches", "checkpoint_share": "of the time saving"}


@dataclass(frozen=True, kw_only=True)
class PretrainRequest:
    """The options of `kerastx pretrain`."""

    data: Path
    output: Path
    preset: str = "mini"
    steps: int | None = None
    minutes: float | None = None
    start: Path | None = None
    resume: bool = False
    batch_size: int = 32
    max_length: int = 128
    learning_rate: float = 5e-4
    whole_word: bool = False
    norm: str = "post-norm"
    dropout_rate: float | None = None
    random_start: bool = False
    precision: str = "auto"
    accumulate: int = 1
    pack: bool | None = None
    save_every: int | None = None
    keep: int = 2
    seed: int = 1
    force: bool = False


def run_pretraining(request: PretrainRequest) -> dict[str, float]:
    """Train, save and say how good the model became; return the last logs."""
    store = open_store(request.data)
    _check_output(request)
    request = replace(request, precision=_precision(request), pack=_pack(request, store))
    keras.utils.set_random_seed(request.seed)
    with precision(request.precision):
        checkpoint = _initial_checkpoint(request, store)
    batches = functools.partial(
        pretraining_dataset,
        store,
        seed=request.seed,
        batch_size=request.batch_size,
        max_length=request.max_length,
        whole_word=request.whole_word,
        pack=bool(request.pack),
    )
    validation = _validation(batches)
    batches()  # complains before anything is replaced
    say(f"training in {request.precision}" + (", several short pairs in a row" if request.pack else ""))
    busy = f"{request.output}: another process is training this run; wait for it, or choose another output"
    request.output.parent.mkdir(parents=True, exist_ok=True)
    with locked(request.output.with_name(f".{request.output.name}.lock"), busy=busy):
        _claim_output(request)
        logs = _train(request, store, checkpoint, batches, validation)
    say(describe_result(request.output, logs, store))
    return logs


def _train(request: PretrainRequest, store: TokenStore, checkpoint: Checkpoint, batches, validation):
    record = PretrainingRecord(request.output, {"unigram_entropy": store.unigram_entropy})
    meter = WaitMeter()
    logs = pretrain(
        checkpoint,
        request.output,
        _plan(request, store, checkpoint),
        dataset=lambda first: meter.watch(batches(start_step=first)),
        validation=validation,
        resume=request.resume,
        measures=[InputWait(lambda: meter.seconds)],
        callbacks=[
            FitProgress("pretrain", lambda: checkpoint.model.optimizer._learning_rate.total_steps),
            *record.callbacks,
        ],
        explain=functools.partial(
            explain_batch,
            store,
            request.output,
            seed=request.seed,
            batch_size=_pairs_per_batch(request, store),
            max_length=request.max_length,
        ),
        facts={"unigram_entropy": store.unigram_entropy},
        say=say,
    )
    record.finish(logs)
    return logs


def _plan(request: PretrainRequest, store: TokenStore, checkpoint: Checkpoint) -> PretrainingPlan:
    return PretrainingPlan(
        steps=request.steps,
        minutes=request.minutes,
        learning_rate=request.learning_rate,
        batch_size=request.batch_size,
        max_length=request.max_length,
        accumulate=request.accumulate,
        # A resume needs a row end to be a checkpoint: rows are as long as they can be and still divide save_every.
        report_every=math.gcd(request.save_every or REPORT_EVERY, REPORT_EVERY),
        save_every=request.save_every,
        keep=request.keep,
        settings=_settings(request, store, checkpoint),
    )


def _pairs_per_batch(request: PretrainRequest, store: TokenStore) -> int:
    return packing_plan(store, request.batch_size, request.max_length)[0] if request.pack else request.batch_size


def _pack(request: PretrainRequest, store: TokenStore) -> bool:
    """Return whether to pack: as asked for, else when more than a quarter of the batches would be padding."""
    return fill_share(store, request.max_length) < PACK_BELOW if request.pack is None else request.pack


def _precision(request: PretrainRequest) -> str:
    """Return what to train in; a resumed run goes on as it began, on whatever machine."""
    if request.resume and request.precision == "auto":
        recorded = recorded_settings(request.output).get("precision")
        return resolve_precision(recorded or "auto")
    return resolve_precision(request.precision)


def describe_result(output: Path, logs: dict[str, float], store: TokenStore) -> str:
    """Return one line: steps, time and the masked-LM loss beside the unigram entropy."""
    held_out = f", held out {logs['val_masked_lm_loss']:.3f}" if "val_masked_lm_loss" in logs else ""
    loss = f"masked-LM loss {logs['masked_lm_loss']:.3f}{held_out} nats" if "masked_lm_loss" in logs else "no step left"
    costs = [f"{logs[name]:.1%} {what}" for name, what in COSTS.items() if name in logs]
    return (
        f"{output}: {logs['steps']:,} steps in {logs['seconds'] / 60:.1f} min, {loss} "
        f"(unigram entropy {store.unigram_entropy:.3f})" + "".join(f"; {cost}" for cost in costs)
    )


def _initial_checkpoint(request: PretrainRequest, store: TokenStore) -> Checkpoint:
    sequences_per_row = packing_plan(store, request.batch_size, request.max_length)[1] if request.pack else None
    if request.start is None:
        config = EncoderConfig.preset(
            request.preset,
            vocabulary_size=store.tokenizer.vocabulary_size,
            norm=request.norm,
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
        if source.tokenizer.sha256 != store.tokenizer.sha256:
            raise DataError(
                f"{request.data} was prepared with another tokenizer than {request.start}; "
                f"prepare it with --tokenizer {request.start}"
            )
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


def _settings(request: PretrainRequest, store: TokenStore, checkpoint: Checkpoint) -> dict[str, Any]:
    """What a resumed run must share with the run that it continues."""
    return {
        "data_sha256": store.sha256,
        "encoder": checkpoint.config.to_dict(),
        "steps": request.steps,
        "minutes": request.minutes,
        "batch_size": request.batch_size,
        "max_length": request.max_length,
        "learning_rate": request.learning_rate,
        "whole_word": request.whole_word,
        "random_start": request.random_start,
        "precision": request.precision,
        "accumulate": request.accumulate,
        "pack": request.pack,
        "save_every": request.save_every,
        "seed": request.seed,
    }


def _validation(batches):
    try:
        return batches(split="validation").take(VALIDATION_BATCHES)
    except DataError as error:
        say(f"no held-out score: {error}")
        return None


def _check_output(request: PretrainRequest) -> None:
    output = request.output
    if request.resume and output.exists() and not _is_run(output):
        raise CheckpointError(f"{output} is not a kerastx run, there is nothing to resume; choose another output")
    if output.exists() and not request.resume:
        if not request.force:
            raise CheckpointError(f"{output} exists; continue it with --resume, or replace it with --force")
        if not (is_replaceable(output) or step_folders(output)):
            raise CheckpointError(f"{output} is not a kerastx run; it is not replaced")


def _is_run(output: Path) -> bool:
    """Whether a run was started here: it has steps, or was cut before the first of them."""
    if not output.is_dir():
        return False
    known = {"steps", bad_batch.FILE}
    return bool(step_folders(output)) or all(path.name in known or is_record(path.name) for path in output.iterdir())


def _claim_output(request: PretrainRequest) -> None:
    if request.output.exists() and not request.resume:
        shutil.rmtree(request.output)
    request.output.mkdir(parents=True, exist_ok=True)
