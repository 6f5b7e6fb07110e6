"""Questions -> the tf.data dataset that a span extractor is fitted with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerastx.data.pipeline import INPUT_SPECS, LENGTH_MULTIPLE, length_batches
from kerastx.data.questions import QuestionData
from kerastx.text.question_windows import QuestionWindow, question_windows, tokens_of
from kerastx.text.tokenizer import Encoding, Tokenizer

OUTPUTS = ("start_logits", "end_logits")


class SpanRow(NamedTuple):
    """A window with the places of the first and the last token of the answer; both 0 where the window has none."""

    encoding: Encoding
    start: int
    end: int


def span_dataset(
    data: QuestionData,
    tokenizer: Tokenizer,
    *,
    batch_size: int,
    max_length: int,
    stride: int,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Return batches of windows with the places of the answer; a window without it is to say "none", at token 0.

    Args:
        data: the questions; see `QuestionData.trainable`.
        tokenizer: of the model.
        batch_size: B, windows; the last batch may be smaller.
        max_length: T at most.
        stride: see `SpanSettings`.
        seed: shuffle, anew in every epoch, windows of like length together; without one, in order.

    Returns:
        A dataset, of known cardinality, of (inputs, targets):
        inputs: token_ids and segment_ids, int32, (B, T); padding_mask, bool, (B, T).
        targets: start_logits and end_logits, int32, (B,).
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    rows = span_rows(data, tokenizer, max_length=max_length, stride=stride)
    lengths = np.array([len(row.encoding) for row in rows])
    epochs = itertools.count()

    def generate() -> Iterator[tuple[dict[str, np.ndarray], ...]]:
        for batch in length_batches(lengths, batch_size, seed, next(epochs)):
            longest = int(lengths[batch].max())
            width = min(longest + -longest % LENGTH_MULTIPLE, max_length)
            inputs = tokenizer.pad([rows[row].encoding for row in batch], length=width)
            places = np.array([(rows[row].start, rows[row].end) for row in batch], np.int32)
            yield inputs, dict(zip(OUTPUTS, places.T, strict=True))

    specs = {name: tf.TensorSpec([None], tf.int32) for name in OUTPUTS}
    dataset = tf.data.Dataset.from_generator(generate, output_signature=(INPUT_SPECS, specs))
    return dataset.apply(tf.data.experimental.assert_cardinality(-(-len(rows) // batch_size))).prefetch(4)


def span_rows(data: QuestionData, tokenizer: Tokenizer, *, max_length: int, stride: int) -> list[SpanRow]:
    """Return the windows of all questions with their answers.

    Left out is a question whose answer is made of characters that the tokenizer drops.
    """
    texts, contexts = [question.text for question in data.questions], [question.context for question in data.questions]
    rows: list[SpanRow] = []
    for row, context, window in question_windows(tokenizer, texts, contexts, max_length=max_length, stride=stride):
        answer = data.questions[row].located
        found = None if answer is None else tokens_of(context.offsets, answer.start, answer.end)
        if answer is None or found is not None:
            rows.append(SpanRow(window.encoding, *_places(found, window)))
    return rows


def _places(found: tuple[int, int] | None, window: QuestionWindow) -> tuple[int, int]:
    """Return where in a window an answer begins and ends; 0 and 0 unless the window has all of it."""
    if found is None or found[0] < window.start or found[1] >= window.start + window.length:
        return 0, 0
    moved = window.first - window.start
    return found[0] + moved, found[1] + moved
