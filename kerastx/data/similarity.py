"""Pairs of texts -> the tf.data datasets that a sentence encoder is fitted with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kerastx.data.labelled import LabelledData
from kerastx.data.pipeline import INPUT_SPECS, LENGTH_MULTIPLE, length_batches
from kerastx.text.tokenizer import Tokenizer


def similarity_dataset(
    data: LabelledData,
    tokenizer: Tokenizer,
    *,
    batch_size: int,
    max_length: int,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Return batches that hold the first texts of B rows, then their second ones, then their third ones: kB texts.

    Args:
        data: rated pairs ("regression"), or "positives".
        tokenizer: of the model.
        batch_size: B; the last batch may be smaller.
        max_length: longer texts are cut.
        seed: shuffle, anew in every epoch, rows of like length together; without one, in the order of the rows.

    Returns:
        A dataset, of known cardinality, of (inputs, {"vector": targets}):
        inputs: token_ids and segment_ids, int32, (kB, T); padding_mask, bool, (kB, T).
        targets: the ratings, float32 (kB, 1), k times the same; of positives numbers, int32 (kB,), the same for texts
            that are no negatives of each other.

    Raises:
        ValueError: there are no rows, they are of another kind, or batch_size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    if data.pairs is None or data.task not in ("regression", "positives") or not len(data):
        raise ValueError(f"expected rated pairs or positives, got {len(data)} rows for {data.task}.")
    texts = [data.texts, data.pairs]
    targets = [data.targets, data.targets]
    if data.negatives is not None:
        texts.append(data.negatives)
        targets.append(_negative_numbers(data))
    columns = [tokenizer.encode_batch(column, max_length=max_length) for column in texts]
    lengths = np.array([max(map(len, row)) for row in zip(*columns, strict=True)])
    epochs = itertools.count()

    def generate() -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
        for rows in length_batches(lengths, batch_size, seed, next(epochs)):
            longest = int(lengths[rows].max())
            width = min(longest + -longest % LENGTH_MULTIPLE, max_length)
            inputs = tokenizer.pad([column[row] for column in columns for row in rows], length=width)
            yield inputs, {"vector": np.concatenate([numbers[rows] for numbers in targets])}

    target = {"vector": tf.TensorSpec([None, *data.targets.shape[1:]], data.targets.dtype)}
    dataset = tf.data.Dataset.from_generator(generate, output_signature=(INPUT_SPECS, target))
    return dataset.apply(tf.data.experimental.assert_cardinality(-(-len(data) // batch_size))).prefetch(4)


def _negative_numbers(data: LabelledData) -> np.ndarray:
    """Return the number of each third text: its own, or where it is also a first or second text the one of that."""
    known = dict(zip([*data.texts, *(data.pairs or ())], [*data.targets, *data.targets], strict=True))
    return np.array(
        [known.setdefault(text, len(data) + row) for row, text in enumerate(data.negatives or ())], np.int32
    )
