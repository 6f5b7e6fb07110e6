"""Texts that a Keras checkpoint writes: on from prompts, or for sources."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tasks import GENERATING_TASKS
from kerastx.errors import CheckpointError
from kerastx.models.steps import Steps
from kerastx.runtime.decoding import Beginning, GeneratedText
from kerastx.runtime.generation import Generator, Sources, Vocabularies
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.step_decoder import StepDecoder, left_padded
from kerastx.runtime.text_stream import TextStream


def generate(
    checkpoint: Checkpoint, texts: Sequence[str], settings: GenerationSettings, *, batch_size: int = 16, first: int = 0
) -> list[GeneratedText]:
    """Return what the checkpoint writes for each text; see `Generator.generate`.

    Raises:
        CheckpointError: the checkpoint is of a task that writes nothing.
    """
    return generator_of(checkpoint).generate(texts, settings, batch_size=batch_size, first=first)


def stream(checkpoint: Checkpoint, text: str, settings: GenerationSettings) -> Iterator[str | GeneratedText]:
    """Yield what the checkpoint writes for a text in pieces; see `Generator.stream`, and `generate` for the error."""
    return generator_of(checkpoint).stream(text, settings)


def vocabularies_of(checkpoint: Checkpoint) -> Vocabularies:
    """Return what stands between texts and the tokens of a checkpoint that writes."""
    is_seq2seq = checkpoint.task == "seq2seq"
    return Vocabularies(
        tokenizer=checkpoint.tokenizer,
        source_tokenizer=(checkpoint.source_tokenizer or checkpoint.tokenizer) if is_seq2seq else None,
        vocabulary_size=checkpoint.config.vocabulary_size,
        max_length=checkpoint.max_length,
        places=checkpoint.config.max_sequence_length,
    )


def generator_of(checkpoint: Checkpoint) -> Generator:
    """Return what writes with a checkpoint; CheckpointError where it is of a task that writes nothing."""
    if checkpoint.task not in GENERATING_TASKS:
        raise CheckpointError(
            f"a {checkpoint.task} checkpoint writes nothing; expected one of {' or '.join(GENERATING_TASKS)}"
        )
    return Generator(
        vocabularies_of(checkpoint),
        functools.partial(StepDecoder, steps_of(checkpoint)),
        functools.partial(_write_in_one, checkpoint),
    )


def _write_in_one(
    checkpoint: Checkpoint, beginnings: Sequence[Beginning], sources: Sources, settings: GenerationSettings
) -> list[GeneratedText]:
    """Return what single steps come to, from one call of one graph."""
    steps, language = steps_of(checkpoint), vocabularies_of(checkpoint).language
    token_ids, positions = left_padded([one.token_ids for one in beginnings])
    inputs: dict[str, Any] = {
        "source": {} if sources is None else steps.encode(sources["token_ids"], sources["padding_mask"]),
        "room": np.array([one.max_new_tokens for one in beginnings]),
        "min_new_tokens": settings.min_new_tokens,
        "end_ids": language.end_ids,
        "never_ids": language.never_ids,
    }
    if settings.num_beams > 1:
        names = ("num_beams", "length_penalty", "early_stopping")
        inputs |= {name: getattr(settings, name) for name in names}
        rows = steps.beams(token_ids, positions, begun=beginnings[0].begun, **inputs)
    else:
        rows = steps.greedy(token_ids, positions, **inputs)
    results = []
    for beginning, (tokens, log_probability) in zip(beginnings, rows, strict=True):
        has_ended = tokens[-1] in language.end_ids
        text = TextStream(language.decode, before=beginning.shown)
        text.add(*(tokens[:-1] if has_ended else tokens))
        text.end()
        results.append(GeneratedText(text.text, tuple(tokens), log_probability, "end" if has_ended else "length"))
    return results


def steps_of(checkpoint: Checkpoint) -> Steps:
    """Return the compiled steps of a checkpoint's model, made when first asked for."""
    if checkpoint._steps is None or checkpoint._steps.model is not checkpoint.model:
        checkpoint._steps = Steps(checkpoint.model)
    return checkpoint._steps
