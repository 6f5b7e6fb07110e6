"""Sources and targets as batches of about as many tokens each, whatever the lengths of their rows."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerastx.data.text_pairs import TextPairs
from kerastx.text.tokenizer import Tokenizer

WIDTH_MULTIPLE = 4
MINIMUM_LENGTH = 3
INPUTS = ("source_token_ids", "source_padding_mask", "target_token_ids", "target_padding_mask")
SIGNATURE = (
    {name: tf.TensorSpec([None, None], tf.bool if name.endswith("mask") else tf.int32) for name in INPUTS},
    {"logits": tf.TensorSpec([None, None], tf.int32)},
    {"logits": tf.TensorSpec([None, None], tf.float32)},
)
Batch = tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]


class TextPairBatches:
    """Batches of rows of like length, each a function of (pairs, seed, step).

    Args:
        pairs: the texts.
        tokenizer: of the targets.
        source_tokenizer: of the sources; None = the same.
        batch_tokens: the most tokens of a batch on either side, padding included; a longer row is a batch of its own.
        max_length: texts are cut to so many tokens, <s> and </s> included.
        seed: of the order.
    """

    def __init__(
        self,
        pairs: TextPairs,
        tokenizer: Tokenizer,
        *,
        source_tokenizer: Tokenizer | None = None,
        batch_tokens: int,
        max_length: int,
        seed: int,
    ):
        if batch_tokens < 1:
            raise ValueError(f"batch_tokens must be at least 1, got {batch_tokens}.")
        if max_length < MINIMUM_LENGTH:
            raise ValueError(f"max_length must be at least {MINIMUM_LENGTH}, got {max_length}.")
        if not len(pairs):
            raise ValueError("pairs must not be empty.")
        self._seed = seed
        self._batch_tokens = batch_tokens
        self._tokenizers = (source_tokenizer or tokenizer, tokenizer)
        encodings = self._tokenizers[0].encode_batch(pairs.sources, max_length=max_length)
        # Whatever the template of the sources is, what is written begins with the start token and ends with the end.
        written = tokenizer.encode_ids(pairs.targets)
        start, end = tokenizer.begin_ids, tokenizer.end_ids[:1]
        room = max_length - len(start) - 1
        targets = [np.concatenate([start, ids[:room], end]).astype(np.int32) for ids in written]
        self._sides = ([one.token_ids for one in encodings], targets)
        lengths = [[len(ids) for ids in side] for side in self._sides]
        # What is fed of a target is a token shorter: the model reads all but the last and answers all but the first.
        longer = np.maximum(lengths[0], np.array(lengths[1]) - 1)
        self._widths = longer + -longer % WIDTH_MULTIPLE
        self._order = functools.lru_cache(maxsize=2)(self._order_of)

    @functools.cached_property
    def per_epoch(self) -> int:
        """How many batches have each row once; the same in every epoch."""
        return len(self._order(0))

    def batch(self, step: int) -> Batch:
        """Return inputs, targets and sample weights of one training step, as `Seq2Seq` is fitted with.

        inputs: source_token_ids int32 (B, R), source_padding_mask bool (B, R), target_token_ids int32 (B, T),
            target_padding_mask bool (B, T).
        targets: logits, int32 (B, T), the tokens behind those of the target.
        sample weights: logits, float32 (B, T), 0 for padding.
        """
        epoch, number = divmod(step, self.per_epoch)
        return self._made(self._order(epoch)[number])

    def dataset(self, start_step: int = 0) -> tf.data.Dataset:
        """Return the endless batches from a step on."""
        return self._as_dataset(lambda: map(self.batch, itertools.count(start_step)))

    def once(self) -> tf.data.Dataset:
        """Return the batches of one epoch, to score on."""
        batches = self._as_dataset(lambda: map(self.batch, range(self.per_epoch)))
        return batches.apply(tf.data.experimental.assert_cardinality(self.per_epoch))

    def _as_dataset(self, batches: Any) -> tf.data.Dataset:
        return tf.data.Dataset.from_generator(batches, output_signature=SIGNATURE).prefetch(4)

    def _order_of(self, epoch: int) -> list[np.ndarray]:
        """Return the rows of each batch: rows of like length together, in which company and order the epoch decides."""
        random = np.random.default_rng([self._seed, epoch])
        rows = random.permutation(len(self._widths))
        rows = rows[np.argsort(self._widths[rows], kind="stable")]
        batches = list(self._filled(rows))
        return [batches[number] for number in random.permutation(len(batches))]

    def _filled(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield batches of rows that grow longer: as many as fit when all are padded to the last."""
        start = 0
        widths = self._widths[rows]
        for end in range(1, len(rows) + 1):
            if end == len(rows) or widths[end] * (end + 1 - start) > self._batch_tokens:
                yield rows[start:end]
                start = end

    def _made(self, rows: Sequence[int] | np.ndarray) -> Batch:
        source, target = (
            _padded([side[row] for row in rows], reader.pad_id)
            for side, reader in zip(self._sides, self._tokenizers, strict=True)
        )
        # As `kerastx.training.next_tokens`, of arrays that are padded on the right.
        inputs = (*source, target[0][:, :-1], target[1][:, :-1])
        return (
            dict(zip(INPUTS, inputs, strict=True)),
            {"logits": target[0][:, 1:]},
            {"logits": target[1][:, 1:].astype(np.float32)},
        )


def _padded(rows: Sequence[np.ndarray], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return token ids int32 (B, T) and their mask bool (B, T)."""
    width = max(map(len, rows))
    token_ids = np.full((len(rows), width), pad_id, np.int32)
    mask = np.zeros((len(rows), width), bool)
    for place, ids in enumerate(rows):
        token_ids[place, : len(ids)] = ids
        mask[place, : len(ids)] = True
    return token_ids, mask
