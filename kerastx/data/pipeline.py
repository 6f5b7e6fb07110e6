"""Examples -> the tf.data datasets that `Model.fit` takes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from kerastx.data.labelled import LabelledData
from kerastx.data.masking import default_max_predictions, mask_tokens
from kerastx.data.packing import packed_batch
from kerastx.data.sentence_pairs import pair_batch
from kerastx.data.store import TokenStore
from kerastx.text.tokenizer import Tokenizer

INPUTS = ("token_ids", "segment_ids", "padding_mask", "masked_positions")
PACKED_INPUTS = ("positions", "sequence_ids", "first_positions")
INPUT_SPECS = {
    "token_ids": tf.TensorSpec([None, None], tf.int32),
    "segment_ids": tf.TensorSpec([None, None], tf.int32),
    "padding_mask": tf.TensorSpec([None, None], tf.bool),
}
LAST_STEP = 1 << 40
LENGTH_MULTIPLE = 8
WINDOW_BATCHES = 50  # batches' worth of texts sorted by length together


def pretraining_dataset(
    store: TokenStore,
    *,
    seed: int,
    batch_size: int,
    max_length: int,
    start_step: int = 0,
    max_predictions: int | None = None,
    whole_word: bool = False,
    pack: bool = False,
    split: str = "train",
) -> tf.data.Dataset:
    """Return endless batches for masked-language-model and next-sentence pretraining, each a function of its step.

    Args:
        store: an open token store.
        seed: of the order, the pairs and the masks.
        batch_size: B.
        max_length: T, the length to which pairs are packed and padded.
        start_step: the step of the first batch; k gives what `skip(k)` would.
        max_predictions: P, the most masked tokens in a row; 15 % of max_length, rounded up, by default.
        whole_word: mask whole words.
        pack: put several short pairs into a row, up to S, for `build_pretrainer(sequences_per_row=S)`.
        split: "train" or "validation".

    Returns:
        A dataset of (inputs, targets, sample_weights):
        inputs: token_ids and segment_ids, int32, (B, T); padding_mask, bool, (B, T); masked_positions, int32, (B, P);
            packed also positions and sequence_ids, int32, (B, T), and first_positions, int32, (B, S).
        targets: masked_lm, int32, (B, P); next_sentence, int32, (B,) or (B, S), 0 = is next, 1 = random.
        sample_weights: masked_lm, float32, (B, P), 0 for filler; next_sentence, float32, (B,) or (B, S).

    Raises:
        DataError: the split has fewer than two documents with two sentences.
    """
    check_counts(seed, start_step, batch_size)
    make = packed_batch if pack else single_batch
    compute = functools.partial(make, store, seed, batch_size=batch_size, max_length=max_length, split=split)
    example = compute(start_step)  # complains now, not inside of the dataset; its shapes are those of all batches
    predictions = default_max_predictions(max_length) if max_predictions is None else max_predictions

    def make_batch(step: tf.Tensor) -> tuple[dict[str, tf.Tensor], ...]:
        batch = mask_tokens(
            as_tensors(compute, example, step),
            tf.stack([tf.constant(seed, tf.int64), step]),
            tokenizer=store.tokenizer,
            max_predictions=predictions,
            whole_word=whole_word,
        )
        inputs = {name: batch[name] for name in (*INPUTS, *(PACKED_INPUTS if pack else ()))}
        targets = {"masked_lm": batch["masked_labels"], "next_sentence": batch["nsp_labels"]}
        weights = {"masked_lm": batch["masked_weights"], "next_sentence": batch["nsp_weights"]}
        return inputs, targets, weights

    return tf.data.Dataset.range(start_step, LAST_STEP).map(make_batch).prefetch(4)


def single_batch(store: TokenStore, seed: int, step: int, **sizes: Any) -> dict[str, np.ndarray]:
    """Return `pair_batch` with nsp_weights, float32, (B,), ones."""
    pairs = pair_batch(store, seed, step, **sizes)
    return {**pairs, "nsp_weights": np.ones(len(pairs["nsp_labels"]), np.float32)}


def check_counts(seed: int, start_step: int, batch_size: int) -> None:
    """ValueError for a seed, a step or a size of batches that there is not."""
    if seed < 0 or start_step < 0 or batch_size < 1:
        raise ValueError(
            f"expected seed, start_step >= 0 and batch_size >= 1, got {seed=}, {start_step=}, {batch_size=}."
        )


def as_tensors(
    compute: Callable[[int], dict[str, np.ndarray]], example: dict[str, np.ndarray], step: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Return the arrays of a step inside of a dataset, with the shapes of `example`."""

    def arrays(step: np.int64) -> list[np.ndarray]:
        batch = compute(int(step))
        return [batch[name] for name in example]

    values = tf.numpy_function(arrays, [step], [tf.as_dtype(array.dtype) for array in example.values()], stateful=False)
    return {
        name: tf.ensure_shape(value, array.shape) for (name, array), value in zip(example.items(), values, strict=True)
    }


def classification_dataset(
    examples: LabelledData,
    tokenizer: Tokenizer,
    *,
    batch_size: int,
    max_length: int,
    seed: int | None = None,
    length_buckets: bool = True,
    class_weights: Mapping[str, float] | None = None,
    teacher_logits: np.ndarray | None = None,
    twice: bool = False,
) -> tf.data.Dataset:
    """Return batches of labelled texts or pairs, each padded to its longest row, rounded up to a multiple of 8.

    Args:
        examples: the texts, or pairs of texts, and what is right for each.
        tokenizer: of the model.
        batch_size: B; the last batch may be smaller.
        max_length: longer texts are cut; of a pair the longer one first.
        seed: shuffle, anew in every epoch; without one, in file order.
        length_buckets: put texts of about the same length into a batch; otherwise pad every batch to max_length.
        class_weights: what a row of each label counts, for "classification"; see `balanced_class_weights`.
        teacher_logits: float32, (N, C), what another model answers to each row, to learn from it by distillation, for
            "classification".
        twice: repeat the rows of each batch behind themselves, 2B in all, for a loss that compares the two copies.

    Returns:
        A dataset, of known cardinality, of (inputs, targets), with class weights of (inputs, targets, sample_weights),
        as the model of the task is fitted with:
        inputs: token_ids and segment_ids, int32, (B, T); padding_mask, bool, (B, T).
        targets: for "classification" logits, int32, (B,), the labels; with teacher logits float32, (B, 1 + C), the
            label in column 0 and the teacher's logits behind it. For "multi_label" logits, float32, (B, C), 1 for the
            labels that are right. For "regression" score, float32, (B, 1).
        sample_weights: logits, float32, (B,).

    Raises:
        ValueError: there are no rows, batch_size is below 1, or weights or teacher logits do not fit the rows.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    if not len(examples):
        raise ValueError("examples must not be empty.")
    target = {"score" if examples.task == "regression" else "logits": _targets(examples, teacher_logits)}
    answers = [target] if class_weights is None else [target, {"logits": _row_weights(examples, class_weights)}]
    encodings = tokenizer.encode_batch(examples.texts, examples.pairs, max_length=max_length)
    lengths = np.array([len(encoding) for encoding in encodings])
    epochs = itertools.count()

    def generate() -> Iterator[tuple[dict[str, np.ndarray], ...]]:
        for rows in length_batches(
            lengths if length_buckets else np.zeros_like(lengths), batch_size, seed, next(epochs)
        ):
            longest = int(lengths[rows].max()) if length_buckets else max_length
            rows = np.tile(rows, 2) if twice else rows
            width = min(longest + -longest % LENGTH_MULTIPLE, max_length)
            inputs = tokenizer.pad([encodings[row] for row in rows], length=width)
            yield inputs, *({name: values[rows] for name, values in answer.items()} for answer in answers)

    answer_specs = [
        {name: tf.TensorSpec([None, *values.shape[1:]], values.dtype) for name, values in answer.items()}
        for answer in answers
    ]
    dataset = tf.data.Dataset.from_generator(generate, output_signature=(INPUT_SPECS, *answer_specs))
    return dataset.apply(tf.data.experimental.assert_cardinality(-(-len(examples) // batch_size))).prefetch(4)


def balanced_class_weights(data: LabelledData) -> dict[str, float]:
    """Return for each label N / (labels that occur * rows of the label), so that every label counts the same.

    As scikit-learn's `class_weight="balanced"`; a label without rows gets 1. Over all rows the mean weight is 1.

    Raises:
        ValueError: the task is not "classification".
    """
    _check_classification(data, "class weights")
    counts = np.bincount(data.targets, minlength=len(data.label_names))
    each = len(data) / max(1, int(np.count_nonzero(counts)))
    return {name: float(each / count) if count else 1.0 for name, count in zip(data.label_names, counts, strict=True)}


def _targets(examples: LabelledData, teacher_logits: np.ndarray | None) -> np.ndarray:
    if teacher_logits is None:
        return examples.targets
    _check_classification(examples, "teacher_logits")
    expected = len(examples), len(examples.label_names)
    if teacher_logits.shape != expected:
        raise ValueError(f"teacher_logits must have the shape {expected}, got {teacher_logits.shape}.")
    return np.concatenate([examples.targets[:, None], teacher_logits], axis=1).astype(np.float32)


def _row_weights(examples: LabelledData, class_weights: Mapping[str, float]) -> np.ndarray:
    _check_classification(examples, "class weights")
    if set(class_weights) != set(examples.label_names):
        names, given = ", ".join(examples.label_names), ", ".join(class_weights)
        raise ValueError(f"class_weights must be of the labels {names}, got {given or 'none'}.")
    weights = np.array([class_weights[name] for name in examples.label_names], np.float32)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"class_weights must be finite and not below 0, got {dict(class_weights)}.")
    return weights[examples.targets]


def _check_classification(examples: LabelledData, what: str) -> None:
    if examples.task != "classification":
        raise ValueError(f"{what} are for the task classification, got {examples.task}.")


def length_batches(lengths: np.ndarray, batch_size: int, seed: int | None, epoch: int) -> list[np.ndarray]:
    """Return the rows of each batch: in order without a seed, else shuffled and sorted by length within windows."""
    if seed is None:
        return _sliced(np.arange(len(lengths)), batch_size)
    random = np.random.default_rng([seed, epoch])
    windows = _sliced(random.permutation(len(lengths)), batch_size * WINDOW_BATCHES)
    by_length = np.concatenate([rows[np.argsort(lengths[rows], kind="stable")] for rows in windows])
    batches = _sliced(by_length, batch_size)
    return [batches[number] for number in random.permutation(len(batches))]


def _sliced(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
