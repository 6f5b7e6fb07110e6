"""Texts that a Keras checkpoint writes: on from prompts, or for sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tasks import GENERATING_TASKS
from kerastx.errors import CheckpointError
from kerastx.models.step_decoder import StepDecoder, left_padded
from kerastx.models.steps import Steps
from kerastx.runtime.decoding import Beginning, GeneratedText, Language
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.text_stream import TextStream
from kerastx.runtime.texts import checked_texts
from kerastx.runtime.writing import write

# What a language model writes where nobody says how much; it may never end by itself.
NEW_TOKENS = 100


def generate(
    checkpoint: Checkpoint, texts: Sequence[str], settings: GenerationSettings, *, batch_size: int = 16
) -> list[GeneratedText]:
    """Return what the checkpoint writes for each text, in order; texts of like length run together.

    Raises:
        CheckpointError: the checkpoint is of a task that writes nothing.
        TypeError: anything but strings.
        ValueError: a prompt leaves no room in the model's context.
    """
    _check_task(checkpoint)
    texts = checked_texts(texts)
    beginnings, sources = _beginnings(checkpoint, texts, settings)
    lengths = [len(one.token_ids) for one in beginnings] if sources is None else [len(one) for one in sources]
    order = sorted(range(len(texts)), key=lambda row: lengths[row])
    results: dict[int, GeneratedText] = {}
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        own = [beginnings[row] for row in rows]
        inputs = None if sources is None else _padded(checkpoint, [sources[row] for row in rows])
        if settings.is_plain:
            found = dict(enumerate(_write_in_one(checkpoint, own, inputs, settings)))
        else:
            written = _write(checkpoint, own, inputs, settings)
            found = {place: what for place, what in written if isinstance(what, GeneratedText)}
        results |= {rows[place]: what for place, what in found.items()}
    return [results[row] for row in range(len(texts))]


def stream(checkpoint: Checkpoint, text: str, settings: GenerationSettings) -> Iterator[str | GeneratedText]:
    """Yield pieces of what the checkpoint writes for a text as soon as they are certain, and at the end the result.

    Errors come at once, with the call. To cancel, close the iterator.
    """
    _check_task(checkpoint)
    beginnings, sources = _beginnings(checkpoint, checked_texts([text]), settings)
    inputs = None if sources is None else _padded(checkpoint, sources)
    return (what for _, what in _write(checkpoint, beginnings, inputs, settings))


def _check_task(checkpoint: Checkpoint) -> None:
    if checkpoint.task not in GENERATING_TASKS:
        raise CheckpointError(
            f"a {checkpoint.task} checkpoint writes nothing; expected one of {' or '.join(GENERATING_TASKS)}"
        )


def _beginnings(
    checkpoint: Checkpoint, texts: list[str], settings: GenerationSettings
) -> tuple[list[Beginning], list[Any] | None]:
    """Return what each new text begins with, and the encodings of the sources where there are any."""
    tokenizer, places = checkpoint.tokenizer, checkpoint.config.max_sequence_length
    if checkpoint.task == "seq2seq":
        source_tokenizer = checkpoint.source_tokenizer or tokenizer
        start = tokenizer.begin_ids
        room = min(settings.max_new_tokens or checkpoint.max_length - 1, places - len(start) + 1)
        sources = source_tokenizer.encode_batch(texts, max_length=checkpoint.max_length)
        alike = {"token_ids": start, "max_new_tokens": room, "begun": len(start) - 1}
        return [Beginning(**alike, number=number) for number in range(len(texts))], sources
    beginnings = []
    for number, ids in enumerate(tokenizer.encode_ids(texts)):
        prompt = (*tokenizer.template.before, *ids.tolist()) or tokenizer.begin_ids
        if len(prompt) >= places:
            raise ValueError(
                f"prompt {number} has {len(prompt)} tokens, and the model has room for {places} with what it writes: "
                "shorten it."
            )
        room = min(settings.max_new_tokens or NEW_TOKENS, places - len(prompt))
        beginnings.append(Beginning(token_ids=prompt, shown=tuple(ids.tolist()), max_new_tokens=room, number=number))
    return beginnings, None


def _padded(checkpoint: Checkpoint, sources: list[Any]) -> dict[str, np.ndarray]:
    return (checkpoint.source_tokenizer or checkpoint.tokenizer).pad(sources)


def _write(
    checkpoint: Checkpoint,
    beginnings: list[Beginning],
    sources: dict[str, np.ndarray] | None,
    settings: GenerationSettings,
) -> Iterator[tuple[int, str | GeneratedText]]:
    decoder = StepDecoder(steps_of(checkpoint), [one.token_ids for one in beginnings], sources)
    return write(decoder, beginnings, language_of(checkpoint), settings)


def _write_in_one(
    checkpoint: Checkpoint,
    beginnings: list[Beginning],
    sources: dict[str, np.ndarray] | None,
    settings: GenerationSettings,
) -> Iterator[GeneratedText]:
    """Yield what `_write` comes to, from one call of one graph."""
    steps, language = steps_of(checkpoint), language_of(checkpoint)
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
    for beginning, (tokens, log_probability) in zip(beginnings, rows, strict=True):
        has_ended = tokens[-1] in language.end_ids
        text = TextStream(language.decode, before=beginning.shown)
        text.add(*(tokens[:-1] if has_ended else tokens))
        text.end()
        yield GeneratedText(text.text, tuple(tokens), log_probability, "end" if has_ended else "length")


def steps_of(checkpoint: Checkpoint) -> Steps:
    """Return the compiled steps of a checkpoint's model, made when first asked for."""
    if checkpoint._steps is None or checkpoint._steps.model is not checkpoint.model:
        checkpoint._steps = Steps(checkpoint.model)
    return checkpoint._steps


def language_of(checkpoint: Checkpoint) -> Language:
    """Return what ends a text, and what is never in one: special tokens, and rows of tables without a token."""
    tokenizer = checkpoint.tokenizer
    unused = np.arange(tokenizer.vocabulary_size, checkpoint.config.vocabulary_size).tolist()
    never = sorted({*tokenizer.special_ids, *unused} - {*tokenizer.end_ids})
    return Language(decode=tokenizer.decode, end_ids=tokenizer.end_ids, never_ids=tuple(never))
