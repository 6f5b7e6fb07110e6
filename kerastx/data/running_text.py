"""Exact text of a token store -> the tf.data datasets of models that write."""

from __future__ import annotations

import functools

import tensorflow as tf

from kerastx.data.next_token_rows import next_token_batch
from kerastx.data.pipeline import LAST_STEP, as_tensors, check_counts
from kerastx.data.span_corruption import corrupted_batch
from kerastx.data.store import TokenStore

SIDES = ("source", "target")


def next_token_dataset(
    store: TokenStore, *, seed: int, batch_size: int, max_length: int, start_step: int = 0, split: str = "train"
) -> tf.data.Dataset:
    """Return endless batches of running text for a `LanguageModel`, each a function of its step.

    Args:
        store: an open token store, of exact text.
        seed: of the order.
        batch_size: B.
        max_length: T.
        start_step: the step of the first batch; k gives what `skip(k)` would.
        split: "train" or "validation".

    Returns:
        A dataset of (inputs, targets, sample_weights), see `next_token_batch`:
        inputs: token_ids, int32, (B, T); padding_mask, bool, (B, T), True.
        targets: logits, int32, (B, T), the tokens behind those of the inputs.
        sample_weights: logits, float32, (B, T).

    Raises:
        DataError: the split holds less than two rows.
    """
    check_counts(seed, start_step, batch_size)
    compute = functools.partial(
        next_token_batch, store, seed, batch_size=batch_size, max_length=max_length, split=split
    )
    example = compute(start_step)

    def make_batch(step: tf.Tensor) -> tuple[dict[str, tf.Tensor], ...]:
        batch = as_tensors(compute, example, step)
        real = tf.ones_like(batch["token_ids"], tf.bool)
        inputs = {"token_ids": batch["token_ids"], "padding_mask": real}
        return inputs, {"logits": batch["labels"]}, {"logits": batch["weights"]}

    return tf.data.Dataset.range(start_step, LAST_STEP).map(make_batch).prefetch(4)


def corrupted_dataset(
    store: TokenStore, *, seed: int, batch_size: int, max_length: int, start_step: int = 0, split: str = "train"
) -> tf.data.Dataset:
    """Return endless batches of texts with gaps for a `Seq2Seq`, each a function of its step.

    Args:
        others: see `next_token_dataset`.

    Returns:
        A dataset of (inputs, targets), see `corrupted_batch`:
        inputs: source_token_ids, int32, (B, R), target_token_ids, int32, (B, T), and their masks, bool, True.
        targets: logits, int32, (B, T), the tokens behind those of the target.

    Raises:
        DataError: the split holds less than two windows.
    """
    check_counts(seed, start_step, batch_size)
    compute = functools.partial(corrupted_batch, store, seed, batch_size=batch_size, max_length=max_length, split=split)
    example = compute(start_step)

    def make_batch(step: tf.Tensor) -> tuple[dict[str, tf.Tensor], ...]:
        batch = as_tensors(compute, example, step)
        token_ids = {f"{side}_token_ids": batch[f"{side}_token_ids"] for side in SIDES}
        masks = {f"{side}_padding_mask": tf.ones_like(token_ids[f"{side}_token_ids"], tf.bool) for side in SIDES}
        return {**token_ids, **masks}, {"logits": batch["labels"]}

    return tf.data.Dataset.range(start_step, LAST_STEP).map(make_batch).prefetch(4)
