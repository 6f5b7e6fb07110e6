from __future__ import annotations

import numpy as np
import pytest

from kerastx.data.next_token_rows import next_token_batch, num_windows, stream_of
from kerastx.data.running_text import next_token_dataset
from kerastx.errors import DataError

FIRST_ID = 5  # the token at position p of a numbered store has the id p + 5


@pytest.fixture(scope="module")
def few(make_numbered_store):
    """Four documents of 100 tokens."""
    return make_numbered_store([[30, 70], [100], [50, 50], [100]])


def labels_of(store, steps, *, batch_size=4, **options):
    batches = [next_token_batch(store, 1, step, batch_size=batch_size, max_length=10, **options) for step in steps]
    return np.concatenate([batch["labels"] for batch in batches])


def test_a_label_is_the_token_behind_its_input(few):
    batch = next_token_batch(few, 1, 0, batch_size=16, max_length=10)
    assert (batch["token_ids"][:, 0] == few.tokenizer.cls_id).all()
    np.testing.assert_array_equal(batch["token_ids"][:, 1:], batch["labels"][:, :-1])


def test_documents_follow_one_another_with_an_end_between_them(few):
    stream = stream_of(few, "train")
    tokens, begins = stream.read(np.array([0, 91]), 182)
    own = np.arange(90) + FIRST_ID
    end = [few.tokenizer.sep_id]
    np.testing.assert_array_equal(tokens[0], [*own, *end, *own + 100, *end])
    np.testing.assert_array_equal(tokens[1], [*own + 100, *end, *own + 200, *end])
    assert begins.tolist() == [True, True]


def test_the_first_label_counts_where_a_document_begins(few):
    batch = next_token_batch(few, 1, 0, batch_size=2000, max_length=10)
    assert (batch["weights"][:, 1:] == 1).all()
    begins = np.isin(batch["labels"][:, 0], [FIRST_ID, FIRST_ID + 100, FIRST_ID + 200, FIRST_ID + 300])
    assert begins.any()
    np.testing.assert_array_equal(batch["weights"][:, 0], begins)


def test_of_few_documents_the_last_tenth_of_each_is_held_back(few):
    train = stream_of(few, "train").read(np.array([0]), 364)[0]
    held_back = stream_of(few, "validation").read(np.array([0]), 44)[0]
    assert not set(train.ravel().tolist()) & set(held_back.ravel().tolist()) - {few.tokenizer.sep_id}
    positions = sorted(set(held_back.ravel().tolist()) - {few.tokenizer.sep_id})
    assert positions == [FIRST_ID + start + place for start in (0, 100, 200, 300) for place in range(90, 100)]


def test_of_many_documents_some_are_held_back(make_numbered_store):
    store = make_numbered_store([[20]] * 400)
    sides = {
        split: {
            (token - FIRST_ID) // 20
            for token in stream_of(store, split).read(np.array([0]), stream_of(store, split).num_tokens)[0][0].tolist()
            if token != store.tokenizer.sep_id
        }
        for split in ("train", "validation")
    }
    assert sides["train"] | sides["validation"] == set(range(400))
    assert not sides["train"] & sides["validation"]
    assert 1 < len(sides["validation"]) < 20


def test_an_epoch_has_every_window_once_and_the_next_one_is_cut_elsewhere(few):
    count = num_windows(few, 10)
    assert count == 35
    epochs = [labels_of(few, range(first, first + count), batch_size=1) for first in (0, count)]
    for labels in epochs:
        tokens = labels[labels != few.tokenizer.sep_id]
        assert len(set(tokens.tolist())) == len(tokens) > 340
    assert {tuple(row) for row in epochs[0].tolist()}.isdisjoint({tuple(row) for row in epochs[1].tolist()})


def test_a_batch_is_a_function_of_the_step(few):
    dataset = next_token_dataset(few, seed=1, batch_size=4, max_length=10, start_step=3)
    inputs, targets, weights = next(iter(dataset))
    expected = next_token_batch(few, 1, 3, batch_size=4, max_length=10)
    np.testing.assert_array_equal(inputs["token_ids"], expected["token_ids"])
    np.testing.assert_array_equal(targets["logits"], expected["labels"])
    np.testing.assert_array_equal(weights["logits"], expected["weights"])
    assert inputs["padding_mask"].numpy().all()
    other_seed = next_token_batch(few, 2, 3, batch_size=4, max_length=10)
    assert (other_seed["labels"] != expected["labels"]).any()


def test_the_same_text_is_held_out_for_every_seed(few):
    windows = [
        {
            tuple(row)
            for row in next_token_batch(few, seed, 0, batch_size=4, max_length=10, split="validation")[
                "labels"
            ].tolist()
        }
        for seed in (1, 2)
    ]
    assert windows[0] == windows[1]


def test_too_little_text_is_told(few):
    with pytest.raises(DataError, match="expected some 600 tokens in its train part for rows of 200, got 364"):
        next_token_batch(few, 1, 0, batch_size=4, max_length=200)
    with pytest.raises(ValueError, match="max_length must be at least 8, got 4"):
        next_token_batch(few, 1, 0, batch_size=4, max_length=4)
    with pytest.raises(ValueError, match="split must be train or validation, got 'test'"):
        next_token_batch(few, 1, 0, batch_size=4, max_length=10, split="test")
    with pytest.raises(ValueError, match="batch_size >= 1, got seed=1, start_step=0, batch_size=0"):
        next_token_dataset(few, seed=1, batch_size=0, max_length=10)
