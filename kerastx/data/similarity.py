"""Pairs of texts -> the tf.data datasets that a sentence encoder is fitted with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from kerastx.data.pipeline import INPUT_SPECS, LENGTH_MULTIPLE, length_batches
from kerastx.text.tokenizer import Tokenizer


def similarity_dataset(
    texts: Sequence[Sequence[str]],
    targets: np.ndarray,
    tokenizer: Tokenizer,
    *,
    batch_size: int,
    max_length: int,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Return batches that hold the first texts of B rows, then their second ones, and so on: kB texts.

    Args:
        texts: k columns of N texts: (first, second), or (text, positive, negative).
        targets: of each row, (N, ...); a batch has them k times, one after the other.
        tokenizer: of the model.
        batch_size: B; the last batch may be smaller.
        max_length: longer texts are cut.
        seed: shuffle, anew in every epoch, rows of like length together; without one, in the order of the rows.

    Returns:
        A dataset, of known cardinality, of (inputs, {"vector": targets}):
        inputs: token_ids and segment_ids, int32, (kB, T); padding_mask, bool, (kB, T).
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    if not len(targets) or {len(column) for column in texts} != {len(targets)}:
        raise ValueError(f"expected as many texts as targets, got {[len(c) for c in texts]} and {len(targets)}.")
    columns = [tokenizer.encode_batch(column, max_length=max_length) for column in texts]
    lengths = np.array([max(map(len, row)) for row in zip(*columns, strict=True)])
    epochs = itertools.count()

    def generate() -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
        for rows in length_batches(lengths, batch_size, seed, next(epochs)):
            longest = int(lengths[rows].max())
            width = min(longest + -longest % LENGTH_MULTIPLE, max_length)
            inputs = tokenizer.pad([column[row] for column in columns for row in rows], length=width)
            yield inputs, {"vector": np.concatenate([targets[rows]] * len(columns))}

    target = {"vector": tf.TensorSpec([None, *targets.shape[1:]], targets.dtype)}
    dataset = tf.data.Dataset.from_generator(generate, output_signature=(INPUT_SPECS, target))
    return dataset.apply(tf.data.experimental.assert_cardinality(-(-len(targets) // batch_size))).prefetch(4)
