"""A Keras span extractor's answers to questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras import ops

from kerastx.checkpoint.store import Checkpoint
from kerastx.models.span_extractor import span_search
from kerastx.runtime.answers import Answer, find_answers
from kerastx.text.encoding import Encoding
from kerastx.text.question_windows import SpanSettings

BATCH_ROWS = 16


def answer_questions(checkpoint: Checkpoint, questions: Sequence[str], contexts: Sequence[str]) -> list[Answer]:
    """Return the answer to each question, a part of its context."""
    return find_answers(
        questions,
        contexts,
        checkpoint.tokenizer,
        settings_of(checkpoint),
        max_length=checkpoint.max_length,
        best_spans=lambda encodings: spans_of(checkpoint, encodings),
    )


def settings_of(checkpoint: Checkpoint) -> SpanSettings:
    """Return how a checkpoint looks for answers; ValueError for one of another task."""
    if checkpoint.span is None:
        raise ValueError(f"a {checkpoint.task} checkpoint answers no questions.")
    return checkpoint.span


def spans_of(checkpoint: Checkpoint, encodings: list[Encoding]) -> dict[str, np.ndarray]:
    """Return the best spans of each encoding: null_score float32 (N, 1), scores float32, starts, ends int32 (N, K)."""
    search = span_search(settings_of(checkpoint).max_answer_tokens)
    found: dict[str, np.ndarray] = {}
    order = sorted(range(len(encodings)), key=lambda row: len(encodings[row]))
    for begin in range(0, len(order), BATCH_ROWS):
        rows = order[begin : begin + BATCH_ROWS]
        longest = len(encodings[rows[-1]])
        width = min(longest + -longest % 8, checkpoint.config.max_sequence_length)
        inputs = checkpoint.tokenizer.pad([encodings[row] for row in rows], length=width)
        logits = checkpoint.model.predict_on_batch(inputs)
        for name, values in search(logits["start_logits"], logits["end_logits"]).items():
            array = ops.convert_to_numpy(values)
            found.setdefault(name, np.zeros((len(order), array.shape[1]), array.dtype))[rows] = array
    return found
