"""Tagged sentences -> the tf.data dataset that a tagger is fitted with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerastx.data.pipeline import INPUT_SPECS, LENGTH_MULTIPLE, length_batches
from kerastx.data.tagged import TaggedData, TaggedSentence, joined
from kerastx.text.encoding import Encoding
from kerastx.text.tags import OUTSIDE
from kerastx.text.tokenizer import Tokenizer
from kerastx.text.units import first_tokens, unit_spans
from kerastx.text.windows import windows


class TaggedWindow(NamedTuple):
    """A window of a sentence: its tokens, the tag of each and whether it counts: int32 (L,), float32 (L,)."""

    encoding: Encoding
    tags: np.ndarray
    weights: np.ndarray


def tagging_dataset(
    data: TaggedData, tokenizer: Tokenizer, *, batch_size: int, max_length: int, seed: int | None = None
) -> tf.data.Dataset:
    """Return batches of sentences with the tags of their tokens; a unit is tagged at its first token.

    Args:
        data: the sentences.
        tokenizer: of the model.
        batch_size: B, windows; the last batch may be smaller.
        max_length: T at most; longer sentences become overlapping windows.
        seed: shuffle, anew in every epoch, windows of like length together; without one, in order.

    Returns:
        A dataset, of known cardinality, of (inputs, {"logits": int32 (B, T)}, {"logits": float32 (B, T)}):
        inputs: token_ids and segment_ids, int32, (B, T); padding_mask, bool, (B, T).
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    rows = tagged_windows(data, tokenizer, max_length=max_length)
    lengths = np.array([len(row.tags) for row in rows])
    epochs = itertools.count()

    def generate() -> Iterator[tuple[dict[str, np.ndarray], ...]]:
        for batch in length_batches(lengths, batch_size, seed, next(epochs)):
            longest = int(lengths[batch].max())
            width = min(longest + -longest % LENGTH_MULTIPLE, max_length)
            tags, weights = np.zeros((len(batch), width), np.int32), np.zeros((len(batch), width), np.float32)
            for place, row in enumerate(batch):
                tags[place, : lengths[row]], weights[place, : lengths[row]] = rows[row].tags, rows[row].weights
            inputs = tokenizer.pad([rows[row].encoding for row in batch], length=width)
            yield inputs, {"logits": tags}, {"logits": weights}

    specs = [{"logits": tf.TensorSpec([None, None], dtype)} for dtype in (tf.int32, tf.float32)]
    dataset = tf.data.Dataset.from_generator(generate, output_signature=(INPUT_SPECS, *specs))
    return dataset.apply(tf.data.experimental.assert_cardinality(-(-len(rows) // batch_size))).prefetch(4)


def tagged_windows(data: TaggedData, tokenizer: Tokenizer, *, max_length: int) -> list[TaggedWindow]:
    """Return the windows of all sentences, each token with its tag."""
    numbers = {tag: number for number, tag in enumerate(data.tags)}
    texts = [joined(sentence.words) for sentence in data.sentences]
    encodings = tokenizer.encode_batch([text for text, _ in texts])
    found = []
    for sentence, (text, spans), encoding in zip(data.sentences, texts, encodings, strict=True):
        tags, weights = np.zeros(len(encoding), np.int32), np.zeros(len(encoding), np.float32)
        units = unit_spans(text)
        for token, tag in zip(first_tokens(units, encoding.offsets), unit_tags(sentence, spans, units), strict=True):
            if token is not None and not weights[token]:  # of a token over several units the first one says
                tags[token], weights[token] = numbers[tag], 1.0
        for window in windows(encoding, max_length=max_length):
            found.append(TaggedWindow(window.encoding, tags[window.rows], weights[window.rows]))
    return found


def unit_tags(sentence: TaggedSentence, spans: list[tuple[int, int]], units: list[tuple[int, int]]) -> list[str]:
    """Return the tag of each unit of the text: that of the word it lies in, B only for the word's first unit."""
    tags: list[str] = []
    word = 0
    tagged = -1  # the last word that a unit was given the tag of
    for start, _ in units:
        while spans[word][1] <= start:
            word += 1
        tag = sentence.tags[word]
        tags.append(f"I-{tag[2:]}" if word == tagged and tag != OUTSIDE else tag)
        tagged = word
    return tags
