from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from kerastx.data.labelled import LabelledData
from kerastx.data.pipeline import balanced_class_weights, classification_dataset, pretraining_dataset
from kerastx.data.sentence_pairs import pair_batch
from kerastx.errors import DataError


def batches(dataset, count):
    return list(dataset.take(count).as_numpy_iterator())


def assert_same(one, other):
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_shapes_and_names_are_the_contract(store):
    dataset = pretraining_dataset(store, seed=1, batch_size=4, max_length=32)
    inputs, targets, weights = dataset.element_spec
    assert {name: (spec.dtype, spec.shape.as_list()) for name, spec in inputs.items()} == {
        "token_ids": (tf.int32, [4, 32]),
        "segment_ids": (tf.int32, [4, 32]),
        "padding_mask": (tf.bool, [4, 32]),
        "masked_positions": (tf.int32, [4, 5]),
    }
    assert {name: (spec.dtype, spec.shape.as_list()) for name, spec in targets.items()} == {
        "masked_lm": (tf.int32, [4, 5]),
        "next_sentence": (tf.int32, [4]),
    }
    assert {name: (spec.dtype, spec.shape.as_list()) for name, spec in weights.items()} == {
        "masked_lm": (tf.float32, [4, 5]),
        "next_sentence": (tf.float32, [4]),
    }
    for inputs, targets, weights in batches(dataset, 2):
        assert inputs["token_ids"].shape == (4, 32)
        assert targets["masked_lm"].shape == weights["masked_lm"].shape == (4, 5)
        np.testing.assert_array_equal(weights["next_sentence"], 1)


def test_a_resumed_dataset_goes_on_where_the_first_would_have(store):
    options = {"seed": 3, "batch_size": 4, "max_length": 24, "whole_word": True}
    whole = batches(pretraining_dataset(store, **options), 6)
    assert_same(whole, batches(pretraining_dataset(store, **options), 6))
    assert_same(whole[4:], batches(pretraining_dataset(store, start_step=4, **options), 2))


def test_batches_hold_the_pairs_of_their_step_with_masks(store):
    inputs, targets, weights = batches(
        pretraining_dataset(store, seed=5, batch_size=4, max_length=32, start_step=9), 1
    )[0]
    pairs = pair_batch(store, 5, 9, batch_size=4, max_length=32)
    np.testing.assert_array_equal(targets["next_sentence"], pairs["nsp_labels"])
    np.testing.assert_array_equal(inputs["segment_ids"], pairs["segment_ids"])
    restored = inputs["token_ids"].copy()
    for row, column in np.argwhere(weights["masked_lm"]):
        restored[row, inputs["masked_positions"][row, column]] = targets["masked_lm"][row, column]
    np.testing.assert_array_equal(restored, pairs["token_ids"])


def test_masks_are_new_in_every_epoch(make_numbered_store):
    store = make_numbered_store([[20, 20], [20, 20]])  # two anchors: an epoch is one batch of two
    masks = {
        tuple(inputs["masked_positions"].ravel())
        for inputs, _, _ in batches(pretraining_dataset(store, seed=0, batch_size=2, max_length=43), 10)
    }
    assert len(masks) == 10


def test_another_seed_gives_other_batches(store):
    one, other = (batches(pretraining_dataset(store, seed=seed, batch_size=8, max_length=24), 1)[0] for seed in (0, 1))
    assert (one[0]["token_ids"] != other[0]["token_ids"]).any()


def test_wrong_arguments_are_refused_before_training(store, make_numbered_store):
    with pytest.raises(ValueError, match="batch_size >= 1, got seed=0, start_step=0, batch_size=0"):
        pretraining_dataset(store, seed=0, batch_size=0, max_length=32)
    with pytest.raises(ValueError, match="seed=-1"):
        pretraining_dataset(store, seed=-1, batch_size=2, max_length=32)
    with pytest.raises(ValueError, match="max_length must be at least 8"):
        pretraining_dataset(store, seed=0, batch_size=2, max_length=4)
    with pytest.raises(DataError, match="two documents of two sentences"):
        pretraining_dataset(make_numbered_store([[3], [3]]), seed=0, batch_size=2, max_length=32)


def name_of(number):
    """Return eight words that no other number has."""
    return " ".join("dog" if number >> bit & 1 else "cat" for bit in range(8))


@pytest.fixture(scope="module")
def examples() -> LabelledData:
    pick = np.random.default_rng(0)
    lengths = pick.integers(1, 60, 203)
    texts = [f"{name_of(number)} " + "fox " * length for number, length in enumerate(lengths)]
    return LabelledData.of(texts, [str(number % 3) for number in range(203)])


def test_without_a_seed_rows_come_in_file_order(store, examples):
    dataset = classification_dataset(examples, store.tokenizer, batch_size=50, max_length=40)
    found = list(dataset.as_numpy_iterator())
    assert dataset.cardinality().numpy() == len(found) == 5
    assert [len(targets["logits"]) for _, targets in found] == [50, 50, 50, 50, 3]
    np.testing.assert_array_equal(np.concatenate([targets["logits"] for _, targets in found]), examples.targets)
    encodings = store.tokenizer.encode_batch(examples.texts, max_length=40)
    rows = [
        row[real] for inputs, _ in found for row, real in zip(inputs["token_ids"], inputs["padding_mask"], strict=True)
    ]
    for row, encoding in zip(rows, encodings, strict=True):
        np.testing.assert_array_equal(row, encoding.token_ids)


def test_batches_are_padded_to_their_longest_rounded_up_to_8(store, examples):
    for max_length in (36, 128):
        dataset = classification_dataset(examples, store.tokenizer, batch_size=7, max_length=max_length, seed=1)
        for inputs, _ in dataset.as_numpy_iterator():
            longest = inputs["padding_mask"].sum(1).max()
            assert inputs["token_ids"].shape[1] == min(-(-longest // 8) * 8, max_length)


def test_with_a_seed_every_epoch_has_every_row_once_in_a_new_order(store, examples):
    def epoch_texts(dataset):
        return [store.tokenizer.decode(row) for inputs, _ in dataset.as_numpy_iterator() for row in inputs["token_ids"]]

    dataset = classification_dataset(examples, store.tokenizer, batch_size=16, max_length=128, seed=4)
    first, second = epoch_texts(dataset), epoch_texts(dataset)
    assert sorted(first) == sorted(second)
    assert len(set(first)) == 203
    assert first != second
    same = classification_dataset(examples, store.tokenizer, batch_size=16, max_length=128, seed=4)
    assert [epoch_texts(same), epoch_texts(same)] == [first, second]


def test_batches_hold_texts_of_about_the_same_length(store, examples):
    def real_share(seed):
        masks = [
            inputs["padding_mask"]
            for inputs, _ in classification_dataset(
                examples, store.tokenizer, batch_size=16, max_length=128, seed=seed
            ).as_numpy_iterator()
        ]
        return sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks)

    assert real_share(0) > 0.85 > real_share(None)


def test_labels_stay_with_their_texts(store, examples):
    expected = {name_of(number): label for number, label in enumerate(examples.targets)}
    dataset = classification_dataset(examples, store.tokenizer, batch_size=16, max_length=128, seed=0)
    for inputs, targets in dataset.as_numpy_iterator():
        for row, label in zip(inputs["token_ids"], targets["logits"], strict=True):
            assert expected[" ".join(store.tokenizer.decode(row).split()[:8])] == label


def test_classification_arguments(store, examples):
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        classification_dataset(examples, store.tokenizer, batch_size=0, max_length=8)
    with pytest.raises(ValueError, match="examples must not be empty"):
        classification_dataset(LabelledData.of([], []), store.tokenizer, batch_size=1, max_length=8)


def test_without_length_buckets_every_batch_is_as_wide_as_it_can_be(store):
    texts = ["river", "stone and light and water " * 4, "bird", "green house"] * 3
    labels = np.arange(12, dtype=np.int32) % 2
    examples = LabelledData(texts=texts, labels=list(map(str, labels)), label_names=("0", "1"), targets=labels)
    options = {"batch_size": 5, "max_length": 16, "seed": 2}
    padded = batches(classification_dataset(examples, store.tokenizer, length_buckets=False, **options), 3)
    assert sorted(inputs["token_ids"].shape for inputs, _ in padded) == [(2, 16), (5, 16), (5, 16)]
    assert sorted(np.concatenate([targets["logits"] for _, targets in padded])) == [0] * 6 + [1] * 6
    bucketed = batches(classification_dataset(examples, store.tokenizer, **options), 3)
    assert min(inputs["token_ids"].shape[1] for inputs, _ in bucketed) < 16


TEXTS = ["river", "stone and light and water", "bird", "green house", "old fox"]


def only_batch(store, examples, **options):
    dataset = classification_dataset(examples, store.tokenizer, batch_size=8, max_length=16, **options)
    (found,) = batches(dataset, 2)
    specs = tf.nest.flatten(dataset.element_spec)
    assert [spec.dtype for spec in specs] == [tf.as_dtype(array.dtype) for array in tf.nest.flatten(found)]
    assert all(
        spec.shape.is_compatible_with(array.shape) for spec, array in zip(specs, tf.nest.flatten(found), strict=True)
    )
    return found


def test_pairs_are_two_segments(store):
    examples = LabelledData.of(TEXTS, list("ababa"), pairs=TEXTS[::-1])
    inputs, targets = only_batch(store, examples)
    expected = store.tokenizer.pad(store.tokenizer.encode_batch(TEXTS, TEXTS[::-1], max_length=16), length=16)
    width = inputs["token_ids"].shape[1]
    assert_same(inputs, {name: values[:, :width] for name, values in expected.items()})
    assert inputs["segment_ids"].max() == 1
    assert targets["logits"].tolist() == [0, 1, 0, 1, 0]


def test_targets_of_each_task(store):
    _, targets = only_batch(store, LabelledData.of_numbers(TEXTS, [0.5, 1, 2, 3, -4]))
    assert targets["score"].dtype == np.float32
    assert targets["score"].tolist() == [[0.5], [1], [2], [3], [-4]]
    _, targets = only_batch(store, LabelledData.of_sets(TEXTS, ["ab", "", "c", "abc", "b"]))
    assert targets["logits"].dtype == np.float32
    assert targets["logits"].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 1, 1], [0, 1, 0]]


def test_weights_and_teacher_logits_stay_with_their_rows(store, examples):
    teacher = np.random.default_rng(1).normal(size=(203, 3)).astype("float32")
    dataset = classification_dataset(
        examples,
        store.tokenizer,
        batch_size=16,
        max_length=128,
        seed=0,
        class_weights={"0": 0.5, "1": 1, "2": 2},
        teacher_logits=teacher,
    )
    row_of = {name_of(number): number for number in range(203)}
    seen = 0
    for inputs, targets, weights in dataset.as_numpy_iterator():
        rows = [row_of[" ".join(store.tokenizer.decode(ids).split()[:8])] for ids in inputs["token_ids"]]
        np.testing.assert_array_equal(targets["logits"][:, 0], examples.targets[rows])
        np.testing.assert_array_equal(targets["logits"][:, 1:], teacher[rows])
        np.testing.assert_array_equal(weights["logits"], np.array([0.5, 1, 2], "float32")[examples.targets[rows]])
        seen += len(rows)
    assert seen == 203


def test_balanced_weights_equal_scikit_learn():
    labels = list("aaaaabbc")
    data = LabelledData.of(labels, labels)
    expected = compute_class_weight("balanced", classes=np.array(list("abc")), y=np.array(labels))
    assert balanced_class_weights(data) == pytest.approx(dict(zip("abc", expected, strict=True)))
    assert balanced_class_weights(LabelledData.of(["x", "y"], ["a", "a"], "ab")) == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weights": {"a": 1}}, "class_weights must be of the labels a, b, got a"),
        ({"class_weights": {}}, "must be of the labels a, b, got none"),
        ({"class_weights": {"a": 1, "b": -1}}, "class_weights must be finite and not below 0, got"),
        ({"teacher_logits": np.zeros((5, 3), "float32")}, r"teacher_logits must have the shape \(5, 2\), got \(5, 3\)"),
    ],
)
def test_weights_and_teacher_logits_must_fit(store, options, message):
    with pytest.raises(ValueError, match=message):
        only_batch(store, LabelledData.of(TEXTS, list("ababa")), **options)


def test_weights_and_teacher_logits_are_for_one_label_a_row(store):
    data = LabelledData.of_numbers(TEXTS, [1] * 5)
    with pytest.raises(ValueError, match="class weights are for the task classification, got regression"):
        only_batch(store, data, class_weights={})
    with pytest.raises(ValueError, match="teacher_logits are for the task classification, got regression"):
        only_batch(store, data, teacher_logits=np.zeros((5, 1), "float32"))
    with pytest.raises(ValueError, match="class weights are for the task classification, got multi_label"):
        balanced_class_weights(LabelledData.of_sets(["a"], ["x"]))
