"""Questions -> the tf.data dataset that a span extractor is fitted with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerastx.data.pipeline import INPUT_SPECS, LENGTH_MULTIPLE, length_batches
from kerastx.data.questions import QuestionData
from kerastx.errors import DataError
from kerastx.text.encoding import Encoding
from kerastx.text.question_windows import QuestionWindow, question_windows, tokens_of
from kerastx.text.tokenizer import Tokenizer

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
    tell: Callable[[str], None] | None = None,
) -> tf.data.Dataset:
    """Return batches of windows with the places of the answer; a window without it is to say "none", at token 0.

    Args:
        data: the questions; see `QuestionData.trainable`.
        tokenizer: of the model.
        batch_size: B, windows; the last batch may be smaller.
        max_length: T at most.
        stride: see `SpanSettings`.
        seed: shuffle, anew in every epoch, windows of like length together; without one, in order.
        tell: called with a line on the questions that are left out, where there are some; see `span_rows`.

    Raises:
        DataError: no question is left.

    Returns:
        A dataset, of known cardinality, of (inputs, targets):
        inputs: token_ids and segment_ids, int32, (B, T); padding_mask, bool, (B, T).
        targets: start_logits and end_logits, int32, (B,).
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    rows, left_out = span_rows(data, tokenizer, max_length=max_length, stride=stride)
    words = f"{left_out:,} of {len(data):,} questions have an answer that no window of {max_length} tokens holds"
    if not rows:
        raise DataError(f"{words}; take a larger --max-length, or look at the answers")
    if left_out and tell is not None:
        tell(f"{words}: they are left out")
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


def span_rows(data: QuestionData, tokenizer: Tokenizer, *, max_length: int, stride: int) -> tuple[list[SpanRow], int]:
    """Return the windows of the questions with their answers, and how many questions are left out.

    These have an answer that is whole in no window, or is made of characters that the tokenizer drops: with all windows
    saying "none" they would teach that there is no answer.
    """
    texts, contexts = [question.text for question in data.questions], [question.context for question in data.questions]
    windows = question_windows(tokenizer, texts, contexts, max_length=max_length, stride=stride)
    rows: list[SpanRow] = []
    left_out = 0
    for row, parts in itertools.groupby(windows, key=lambda item: item[0]):
        answer = data.questions[row].located
        found = []
        for _, context, window in parts:
            tokens = None if answer is None else tokens_of(context.offsets, answer.start, answer.end)
            found.append(SpanRow(window.encoding, *_places(tokens, window)))
        if answer is None or any(one.end for one in found):
            rows += found
        else:
            left_out += 1
    return rows, left_out


def _places(found: tuple[int, int] | None, window: QuestionWindow) -> tuple[int, int]:
    """Return where in a window an answer begins and ends; 0 and 0 unless the window has all of it."""
    if found is None or found[0] < window.start or found[1] >= window.start + window.length:
        return 0, 0
    moved = window.first - window.start
    return found[0] + moved, found[1] + moved
