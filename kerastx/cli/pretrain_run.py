"""The pieces of a pretraining run put together: store, model, plan, fit."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from kerastx.checkpoint.progress import step_folders
from kerastx.checkpoint.store import Checkpoint, build_model, is_replaceable, load_checkpoint
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli.console import say
from kerastx.cli.fit_progress import FitProgress
from kerastx.cli.run_record import PretrainingRecord, is_record
from kerastx.data.pipeline import pretraining_dataset
from kerastx.data.store import TokenStore, open_store
from kerastx.errors import CheckpointError, DataError
from kerastx.models.config import EncoderConfig
from kerastx.models.warm_start import start_from_counts
from kerastx.training.pretrain import PretrainingPlan, pretrain

VALIDATION_BATCHES = 20
REPORT_EVERY = 50


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
    dropout_rate: float = 0.1
    random_start: bool = False
    save_every: int = 500
    keep: int = 2
    seed: int = 1
    force: bool = False


def run_pretraining(request: PretrainRequest) -> dict[str, float]:
    """Train, save and say how good the model became; return the last logs."""
    store = open_store(request.data)
    _check_output(request)
    keras.utils.set_random_seed(request.seed)
    checkpoint = _initial_checkpoint(request, store)
    # A resume needs a row end to be a checkpoint: rows are as long as they can be and still divide save_every.
    report_every = math.gcd(request.save_every, REPORT_EVERY)
    plan = PretrainingPlan(
        steps=request.steps,
        minutes=request.minutes,
        learning_rate=request.learning_rate,
        batch_size=request.batch_size,
        max_length=request.max_length,
        report_every=report_every,
        save_every=request.save_every,
        keep=request.keep,
        settings=_settings(request, store, checkpoint),
    )

    def dataset(start_step: int, split: str = "train"):
        return pretraining_dataset(
            store,
            seed=request.seed,
            batch_size=request.batch_size,
            max_length=request.max_length,
            start_step=start_step,
            whole_word=request.whole_word,
            split=split,
        )

    validation = _validation(dataset)
    dataset(0)  # complains before anything is replaced
    _claim_output(request)

    def total_steps() -> int:
        return checkpoint.model.optimizer._learning_rate.total_steps

    record = PretrainingRecord(request.output, {"unigram_entropy": store.unigram_entropy})
    logs = pretrain(
        checkpoint,
        request.output,
        plan,
        dataset=dataset,
        validation=validation,
        resume=request.resume,
        callbacks=[FitProgress("pretrain", total_steps), *record.callbacks],
        facts={"unigram_entropy": store.unigram_entropy},
        say=say,
    )
    record.finish(logs)
    say(describe_result(request.output, logs, store))
    return logs


def describe_result(output: Path, logs: dict[str, float], store: TokenStore) -> str:
    """Return one line: steps, time and the masked-LM loss beside the unigram entropy."""
    held_out = f", held out {logs['val_masked_lm_loss']:.3f}" if "val_masked_lm_loss" in logs else ""
    loss = f"masked-LM loss {logs['masked_lm_loss']:.3f}{held_out} nats" if "masked_lm_loss" in logs else "no step left"
    return (
        f"{output}: {logs['steps']:,} steps in {logs['seconds'] / 60:.1f} min, {loss} "
        f"(unigram entropy {store.unigram_entropy:.3f})"
    )


def _initial_checkpoint(request: PretrainRequest, store: TokenStore) -> Checkpoint:
    if request.start is None:
        config = EncoderConfig.preset(
            request.preset,
            vocabulary_size=store.tokenizer.vocabulary_size,
            norm=request.norm,
            dropout_rate=request.dropout_rate,
            max_sequence_length=max(512, request.max_length),
        )
        model = build_model("pretraining", config)
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
        config = source.config
        model = build_model("pretraining", config)
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
        "save_every": request.save_every,
        "seed": request.seed,
    }


def _validation(dataset):
    try:
        return dataset(0, "validation").take(VALIDATION_BATCHES)
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
    return bool(step_folders(output)) or all(path.name == "steps" or is_record(path.name) for path in output.iterdir())


def _claim_output(request: PretrainRequest) -> None:
    if request.output.exists() and not request.resume:
        shutil.rmtree(request.output)
    request.output.mkdir(parents=True, exist_ok=True)
