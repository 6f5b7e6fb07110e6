"""Dynamic masking for the masked language model (BERT, https://arxiv.org/abs/1810.04805), a pure function of a seed.

tensorflow_text's own selector and chooser draw from stateful random ops; the two below draw from a given seed.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from kerastx.text.tokenizer import Tokenizer

SELECTION_RATE = 0.15
MASK_RATE = 0.8
RANDOM_RATE = 0.1
_NEVER = 2.0  # above every random number


def default_max_predictions(max_length: int) -> int:
    """Return room for 15 % of a row: 20 positions for 128 tokens."""
    return math.ceil(SELECTION_RATE * max_length)


def mask_tokens(
    batch: dict[str, tf.Tensor],
    seed: tf.Tensor,
    *,
    tokenizer: Tokenizer,
    max_predictions: int,
    whole_word: bool = False,
) -> dict[str, tf.Tensor]:
    """Hide 15 % of the tokens of a batch: 80 % as [MASK], 10 % as a random token, 10 % as they are.

    Args:
        batch: token_ids, int32, (B, T), and padding_mask, bool, (B, T).
        seed: int64, (2,); the same seed gives the same masks.
        tokenizer: says which ids are special and which start a word.
        max_predictions: P, the most tokens hidden in a row.
        whole_word: hide all pieces of a word or none.

    Returns:
        The batch with new token_ids, and masked_positions and masked_labels, int32, (B, P), and masked_weights,
        float32, (B, P), 1 for a hidden token and 0 for filler.
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    token_ids = tf.RaggedTensor.from_tensor(batch["token_ids"], lengths=_row_lengths(batch["padding_mask"]))
    masked_ids, positions, labels = tf_text.mask_language_model(
        _words(token_ids, tokenizer) if whole_word else token_ids,
        item_selector=SeededItemSelector(seeds[0], max_predictions, unselectable_ids=list(tokenizer.special_ids)),
        mask_values_chooser=SeededMaskValuesChooser(seeds[1], tokenizer),
        axis=1,
    )
    masked_positions, _ = tf_text.pad_model_inputs(positions, max_predictions)
    masked_labels, is_masked = tf_text.pad_model_inputs(labels, max_predictions)
    shape = batch["token_ids"].shape
    predictions = [shape[0], max_predictions]
    return {
        **batch,
        "token_ids": tf.ensure_shape(masked_ids.to_tensor(tokenizer.pad_id, shape=shape), shape),
        "masked_positions": tf.ensure_shape(tf.cast(masked_positions, tf.int32), predictions),
        "masked_labels": tf.ensure_shape(tf.cast(masked_labels, tf.int32), predictions),
        "masked_weights": tf.ensure_shape(tf.cast(is_masked, tf.float32), predictions),
    }


class SeededItemSelector(tf_text.RandomItemSelector):
    """Select items in random order until 15 % of a row's selectable tokens, rounded up, are taken."""

    def __init__(self, seed: tf.Tensor, max_predictions: int, *, unselectable_ids: list[int]):
        super().__init__(max_predictions, SELECTION_RATE, unselectable_ids)
        self._seed = seed

    def get_selection_mask(self, input_ids: tf.RaggedTensor, axis: int = 1) -> tf.RaggedTensor:
        """Return which items of `input_ids`, (B, (items)) or (B, (items), (pieces)), are selected; bool."""
        selectable = self.get_selectable(input_ids, axis)
        sizes = tf.ones_like(selectable, tf.int32)
        if input_ids.ragged_rank > 1:
            sizes = selectable.with_flat_values(tf.cast(input_ids.values.row_lengths(), tf.int32))
        sizes = sizes.to_tensor()  # (B, I), 0 for filler
        candidates = selectable.to_tensor(False)
        order = self._random_order(candidates)
        chosen = _fill(tf.gather(tf.where(candidates, sizes, 0), order, batch_dims=1), self.max_selections_per_batch)
        back = tf.argsort(order, axis=1)
        return tf.RaggedTensor.from_tensor(tf.gather(chosen, back, batch_dims=1), lengths=selectable.row_lengths())

    def _random_order(self, candidates: tf.Tensor) -> tf.Tensor:
        scores = tf.random.stateless_uniform(tf.shape(candidates), self._seed)
        return tf.argsort(tf.where(candidates, scores, _NEVER), axis=1, stable=True)


class SeededMaskValuesChooser(tf_text.MaskValuesChooser):
    """[MASK] for 80 % of the selected tokens, a random ordinary token for 10 %, themselves for 10 %."""

    def __init__(self, seed: tf.Tensor, tokenizer: Tokenizer):
        super().__init__(tokenizer.vocabulary_size, tokenizer.mask_id, MASK_RATE, RANDOM_RATE)
        self._seeds = tf.random.experimental.stateless_split(seed, 2)
        self._ordinary_ids = np.setdiff1d(np.arange(tokenizer.vocabulary_size), tokenizer.special_ids).astype(np.int32)

    def get_mask_values(self, masked_lm_ids: tf.RaggedTensor) -> tf.RaggedTensor:
        """Return what stands in the place of each selected id; same shape."""
        ids = masked_lm_ids.flat_values
        draw = tf.random.stateless_uniform(tf.shape(ids), self._seeds[0])
        index = tf.random.stateless_uniform(tf.shape(ids), self._seeds[1], 0, len(self._ordinary_ids), tf.int32)
        random_ids = tf.cast(tf.gather(self._ordinary_ids, index), ids.dtype)
        kept = tf.where(draw < MASK_RATE + RANDOM_RATE, random_ids, ids)
        return masked_lm_ids.with_flat_values(tf.where(draw < MASK_RATE, tf.cast(self.mask_token, ids.dtype), kept))


def _fill(sizes: tf.Tensor, max_predictions: int) -> tf.Tensor:
    """Return which items, bool, (B, I), to take from the left so that 15 % of the tokens are taken and no more.

    Args:
        sizes: int32, (B, I); tokens of each item, 0 for an item that must not be taken.
        max_predictions: no more tokens than this in any case.
    """
    total = tf.cast(tf.reduce_sum(sizes, 1, keepdims=True), tf.float32)
    budget = tf.minimum(tf.cast(tf.math.ceil(SELECTION_RATE * total), tf.int32), max_predictions)
    fits = (tf.cumsum(sizes, 1) <= budget) & (sizes > 0)
    # A word that is too long for what is left of the budget makes way for the next ones of one piece.
    left = budget - tf.reduce_sum(tf.where(fits, sizes, 0), 1, keepdims=True)
    single = (sizes == 1) & ~fits
    return fits | single & (tf.cumsum(tf.cast(single, tf.int32), 1) <= left)


def _row_lengths(padding_mask: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(padding_mask, tf.int64), 1)


def _words(token_ids: tf.RaggedTensor, tokenizer: Tokenizer) -> tf.RaggedTensor:
    """Return (B, (words), (pieces)); a special token is a word, and so is what follows it."""
    is_special = np.zeros(tokenizer.vocabulary_size, bool)
    is_special[list(tokenizer.special_ids)] = True
    special = tf.gather(is_special, token_ids.flat_values)
    after_special = tf.concat([[True], special[:-1]], 0)
    starts = tf.gather(tokenizer.word_start, token_ids.flat_values) | special | after_special
    words = tf.RaggedTensor.from_row_starts(token_ids.flat_values, tf.where(starts)[:, 0])
    words_per_row = tf.reduce_sum(tf.cast(token_ids.with_flat_values(starts), tf.int64), 1)
    return tf.RaggedTensor.from_row_lengths(words, words_per_row)
