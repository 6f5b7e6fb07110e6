"""The pieces of training a model that writes a text for another put together: pairs, model, fit, scores."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.analysis.bleu import corpus_bleu
from kerastx.analysis.chrf import corpus_chrf
from kerastx.analysis.rouge import rouge
from kerastx.checkpoint.store import Checkpoint, in_float32, write_json
from kerastx.checkpoint.weights import transfer_weights
from kerastx.cli.console import in_parts, say
from kerastx.cli.lesson import Lesson, RunRequest
from kerastx.cli.lesson_run import check_run_output, run_lesson
from kerastx.data.text_pair_batches import TextPairBatches
from kerastx.data.text_pairs import TextPairs, read_text_pairs
from kerastx.errors import CheckpointError
from kerastx.models.decoder_config import Seq2SeqConfig
from kerastx.models.seq2seq import Seq2Seq
from kerastx.sources import load_checkpoint
from kerastx.text.tokenizer import Tokenizer

SCORES, WRITTEN = "scores.json", "dev_written.jsonl"
LEARNING_RATE = 1.2e-3
FINE_TUNING_RATE = 1e-4
DROPOUT_RATE = 0.25  # of a new model: pairs by the ten thousand are soon known by heart
AVERAGED_SHARE = 0.05  # of the steps, of whose weights the model is the mean
AVERAGED_STEPS = 200  # of a run whose steps nobody knows yet
LEAST_POSITIONS = 512


@dataclass(frozen=True, kw_only=True)
class WritingRequest(RunRequest):
    """The options of `kerastx finetune translate` and `summarize`.

    Attributes:
        task: "translate", scored by BLEU, or "summarize", by ROUGE.
        start: what to go on from; None = a model of `preset` with a vocabulary of its own.
        epochs: passes over the pairs, where neither steps nor minutes are given.
        beams: to score with, besides the most probable token at each step; 1 = without.
    """

    task: str = "translate"
    train: Path
    train_target: Path | None = None
    dev: Path | None = None
    dev_target: Path | None = None
    source_column: str | None = None
    target_column: str | None = None
    limit: int | None = None
    start: str | None = None
    preset: str = "transformer-mini"
    vocabulary_size: int = 8000
    epochs: int = 20
    batch_tokens: int = 2560
    max_length: int = 128
    dropout_rate: float | None = None
    label_smoothing: float = 0.1
    beams: int = 1


def run_writing(request: WritingRequest) -> dict[str, float]:
    """Train, save, and return the last logs and, with dev pairs, perplexity and BLEU of what is written for them."""
    check_run_output(request)
    read = functools.partial(read_text_pairs, source_column=request.source_column, target_column=request.target_column)
    train = read(request.train, request.train_target)
    dev = None if request.dev is None else read(request.dev, request.dev_target)
    if request.limit is not None:
        train = train.subset(np.random.default_rng(request.seed).permutation(len(train))[: request.limit])
    source = None if request.start is None else _loaded(request.start)
    tokenizers = _tokenizers(request, source, train)
    batches = _batches(request, tokenizers, train)
    if request.minutes is None and request.steps is None:
        request = replace(request, steps=request.epochs * batches.per_epoch)
    say(f"{len(train):,} pairs, {batches.per_epoch:,} batches, vocabulary {tokenizers[0].vocabulary_size:,}")
    held_out = None if dev is None else _batches(request, tokenizers, dev)
    checkpoint, logs = run_lesson(
        request,
        _lesson(
            request,
            batches,
            held_out,
            build=functools.partial(_initial_checkpoint, request, source, tokenizers),
            settings=functools.partial(_settings, request, train),
        ),
    )
    if dev is None:
        return logs
    scores = _scores(request, in_float32(checkpoint), dev) | {"perplexity": logs["val_perplexity"]}
    write_json(request.output / SCORES, scores)
    return {**logs, **scores}


def _lesson(
    request: WritingRequest,
    train: TextPairBatches,
    held_out: TextPairBatches | None,
    *,
    build: Callable[[], Checkpoint],
    settings: Callable[[Checkpoint], dict[str, Any]],
) -> Lesson:
    averaged = AVERAGED_STEPS if request.steps is None else max(1.0, AVERAGED_SHARE * request.steps)
    return Lesson(
        title="train",
        dataset=train.dataset,
        validation=None if held_out is None else held_out.once(),
        build=build,
        tokens_per_batch=request.batch_tokens,
        learning_rate=LEARNING_RATE if request.start is None else FINE_TUNING_RATE,
        settings=settings,
        loss=("loss", "loss"),
        label_smoothing=request.label_smoothing,
        average=1 - 1 / averaged,
    )


def _loaded(start: str) -> Checkpoint:
    source = load_checkpoint(start)
    if source.task != "seq2seq":
        raise CheckpointError(f"{start} is of the task {source.task}; expected seq2seq, which writes texts for others")
    return source


def _tokenizers(request: WritingRequest, source: Checkpoint | None, train: TextPairs) -> tuple[Tokenizer, ...]:
    """Return the tokenizer of the targets, and that of the sources where it is another one."""
    if source is not None:
        return (source.tokenizer,) if source.source_tokenizer is None else (source.tokenizer, source.source_tokenizer)
    texts = list(itertools.chain(train.sources, train.targets))
    return (Tokenizer.train(texts, vocabulary_size=request.vocabulary_size, kind="byte_bpe"),)


def _batches(request: WritingRequest, tokenizers: tuple[Tokenizer, ...], pairs: TextPairs) -> TextPairBatches:
    return TextPairBatches(
        pairs,
        tokenizers[0],
        source_tokenizer=tokenizers[-1],
        batch_tokens=request.batch_tokens,
        max_length=request.max_length,
        seed=request.seed,
    )


def _initial_checkpoint(
    request: WritingRequest, source: Checkpoint | None, tokenizers: tuple[Tokenizer, ...]
) -> Checkpoint:
    if source is None:
        config = Seq2SeqConfig.preset(
            request.preset,
            vocabulary_size=tokenizers[0].vocabulary_size,
            max_sequence_length=max(LEAST_POSITIONS, request.max_length),
            norm="pre-norm",  # learns at high rates from the first steps on, whatever the depth
            dropout_rate=DROPOUT_RATE if request.dropout_rate is None else request.dropout_rate,
        )
        model = Seq2Seq(config)
    else:
        changed = {} if request.dropout_rate is None else {"dropout_rate": request.dropout_rate}
        config = replace(source.config, **changed)
        model = Seq2Seq(config)
        transfer_weights(source.model, model)
    return Checkpoint(
        model=model,
        tokenizer=tokenizers[0],
        source_tokenizer=tokenizers[1] if len(tokenizers) == 2 else None,
        config=config,
        task="seq2seq",
        max_length=request.max_length,
    )


def _settings(request: WritingRequest, train: TextPairs, checkpoint: Checkpoint) -> dict[str, Any]:
    names = ("batch_tokens", "max_length", "label_smoothing")
    return {
        "data_sha256": train.sha256,
        "tokenizer_sha256": checkpoint.tokenizer.sha256,
        "seq2seq": checkpoint.config.to_dict(),
        **{name: getattr(request, name) for name in names},
    }


def _scores(request: WritingRequest, checkpoint: Checkpoint, dev: TextPairs) -> dict[str, float]:
    """Write for the dev sources, keep what was written, and return the scores by how it was written."""
    written = {"": _written(checkpoint, dev, beams=1)}
    if request.beams > 1:
        written[f"_{request.beams}_beams"] = _written(checkpoint, dev, beams=request.beams)
    lines = [
        json.dumps(
            {"source": source, "target": good if len(good) > 1 else good[0], "written": text}, ensure_ascii=False
        )
        for source, good, text in zip(dev.sources, dev.references, list(written.values())[-1], strict=True)
    ]
    (request.output / WRITTEN).write_text("\n".join(lines) + "\n", encoding="utf-8")
    scores = {
        f"{name}{how}": score
        for how, texts in written.items()
        for name, score in _metrics(request.task, texts, dev).items()
    }
    shown = ", ".join(f"{name.replace('_', ' ')} {score:.2f}" for name, score in scores.items())
    say(f"dev, {len(dev):,} pairs: {shown}")
    return scores


def _metrics(task: str, texts: list[str], dev: TextPairs) -> dict[str, float]:
    if task == "summarize":
        return rouge(texts, dev.references)
    return {"bleu": corpus_bleu(texts, dev.targets), "chrf": corpus_chrf(texts, dev.targets)}


def _written(checkpoint: Checkpoint, dev: TextPairs, *, beams: int) -> list[str]:
    def write(texts: list[str]) -> list[str]:
        return [one.text for one in checkpoint.generate(texts, num_beams=beams)]

    how = f" with {beams} beams" if beams > 1 else ""
    return in_parts(write, f"writing for {len(dev):,} dev sources{how}")(dev.sources)
