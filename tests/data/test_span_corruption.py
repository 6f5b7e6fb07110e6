from __future__ import annotations

import numpy as np
import pytest

from kerastx.data.next_token_rows import window_batch
from kerastx.data.running_text import corrupted_dataset
from kerastx.data.span_corruption import corrupted, corrupted_batch, noise_counts
from kerastx.errors import DataError

LENGTH = 40


@pytest.fixture(scope="module")
def text(make_numbered_store):
    return make_numbered_store([[300], [300]])


def filled(source, target, first_sentinel):
    """Return the text: each sentinel of the source replaced by what follows it in the target."""
    spans, number = {}, None
    for token in target:
        if token >= first_sentinel:
            number = token
            spans[number] = []
        else:
            spans[number].append(token)
    return [one for token in source for one in (spans[token] if token >= first_sentinel else [token])]


@pytest.mark.parametrize("length", [8, 20, 100, 512])
def test_the_gaps_and_what_is_missing_are_the_text(length):
    tokens, (num_noise, num_spans) = np.arange(length), noise_counts(length)
    source, target = corrupted(
        tokens, np.random.default_rng(1), num_noise=num_noise, num_spans=num_spans, first_sentinel=1000
    )
    assert filled(source, target, 1000) == tokens.tolist()
    assert [token for token in source if token >= 1000] == list(range(1000, 1000 + num_spans))
    assert len(target) == num_noise + num_spans
    assert len(source) == length - num_noise + num_spans


def test_a_seventh_is_taken_out_in_spans_of_three():
    assert noise_counts(512) == (77, 26)
    assert noise_counts(8) == (1, 1)
    assert noise_counts(8192) == (1229, 100)


def test_every_token_but_the_first_and_the_last_may_be_missing():
    missing = set()
    for seed in range(200):
        draw = np.random.default_rng(seed)
        _, target = corrupted(np.arange(20), draw, num_noise=3, num_spans=1, first_sentinel=1000)
        missing |= set(target)
    assert missing - {1000} == set(range(1, 19))


def test_a_batch_is_of_the_windows_of_its_step(text):
    batch = corrupted_batch(text, 1, 3, batch_size=4, max_length=LENGTH)
    windows, _ = window_batch(text, 1, 3, batch_size=4, max_length=LENGTH)
    tokenizer = text.tokenizer
    num_noise, num_spans = noise_counts(LENGTH)
    assert batch["source_token_ids"].shape == (4, LENGTH - num_noise + num_spans + 2)
    assert batch["target_token_ids"].shape == batch["labels"].shape == (4, num_noise + num_spans + 1)
    np.testing.assert_array_equal(batch["target_token_ids"][:, 1:], batch["labels"][:, :-1])
    for row, window in enumerate(windows):
        source, labels = batch["source_token_ids"][row], batch["labels"][row]
        assert (source[0], source[-1], labels[-1]) == (tokenizer.cls_id, tokenizer.sep_id, tokenizer.sep_id)
        assert filled(source[1:-1], labels[:-1], tokenizer.vocabulary_size) == window.tolist()


def test_the_dataset_is_that_of_the_steps(text):
    inputs, targets = next(iter(corrupted_dataset(text, seed=1, batch_size=4, max_length=LENGTH, start_step=3)))
    expected = corrupted_batch(text, 1, 3, batch_size=4, max_length=LENGTH)
    for name in ("source_token_ids", "target_token_ids"):
        np.testing.assert_array_equal(inputs[name], expected[name])
    np.testing.assert_array_equal(targets["logits"], expected["labels"])
    assert inputs["source_padding_mask"].numpy().all()
    other = corrupted_batch(text, 2, 3, batch_size=4, max_length=LENGTH)
    assert (other["source_token_ids"] != expected["source_token_ids"]).any()


def test_held_out_gaps_are_the_same_for_every_seed(text):
    batches = [corrupted_batch(text, seed, 0, batch_size=1, max_length=8, split="validation") for seed in (1, 2)]
    np.testing.assert_array_equal(batches[0]["labels"], batches[1]["labels"])


def test_too_little_text_is_told(text):
    with pytest.raises(DataError, match="expected some 1,500 tokens in its train part"):
        corrupted_batch(text, 1, 0, batch_size=4, max_length=500)
