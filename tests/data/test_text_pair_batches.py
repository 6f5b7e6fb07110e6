from __future__ import annotations

import numpy as np
import pytest

from kerastx.data.text_pair_batches import TextPairBatches
from kerastx.data.text_pairs import TextPairs
from kerastx.text.tokenizer import Tokenizer
from kerastx.training.next_tokens import next_tokens

WORDS = "river stone light water bird green house".split()
SOURCES = [" ".join(WORDS[: 1 + number % 7]) + f" {number}" for number in range(60)]
PAIRS = TextPairs(SOURCES, [source[::-1] for source in SOURCES])


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train([*PAIRS.sources, *PAIRS.targets], vocabulary_size=320, kind="byte_bpe")


@pytest.fixture(scope="module")
def batches(tokenizer):
    return TextPairBatches(PAIRS, tokenizer, batch_tokens=100, max_length=64, seed=1)


def texts_of(batch, tokenizer):
    inputs, targets, _ = batch
    sources = [tokenizer.decode(row) for row in inputs["source_token_ids"]]
    return list(zip(sources, [tokenizer.decode(row) for row in targets["logits"]], strict=True))


def test_an_epoch_has_every_pair_once_and_the_next_one_other_batches(batches, tokenizer):
    epochs = [
        [texts_of(batches.batch(step), tokenizer) for step in range(first, first + batches.per_epoch)]
        for first in (0, batches.per_epoch)
    ]
    for epoch in epochs:
        assert sorted(pair for batch in epoch for pair in batch) == sorted(zip(SOURCES, PAIRS.targets, strict=True))
    assert epochs[0] != epochs[1]


def test_batches_have_at_most_so_many_tokens_and_little_padding(batches):
    real = padded = 0
    for step in range(batches.per_epoch):
        inputs, _, _ = batches.batch(step)
        for side in ("source", "target"):
            mask = inputs[f"{side}_padding_mask"]
            assert mask.size <= 100
            real, padded = real + mask.sum(), padded + mask.size
    assert real / padded > 0.8


def test_targets_begin_with_the_start_and_end_with_the_end(batches, tokenizer):
    inputs, targets, weights = batches.batch(3)
    assert (inputs["target_token_ids"][:, 0] == tokenizer.cls_id).all()
    for labels, counts in zip(targets["logits"], weights["logits"], strict=True):
        assert labels[counts > 0][-1] == tokenizer.sep_id
        assert (labels[counts == 0] == tokenizer.pad_id).all()
    whole = np.concatenate([inputs["target_token_ids"][:, :1], targets["logits"]], axis=1)
    tokens, _, labels, counts = next_tokens(whole, whole != tokenizer.pad_id)
    np.testing.assert_array_equal(targets["logits"], labels)
    np.testing.assert_array_equal(weights["logits"], counts)
    np.testing.assert_array_equal(inputs["target_token_ids"], tokens)


def test_long_texts_are_cut_and_fill_batches_of_their_own(tokenizer):
    pairs = TextPairs(["river " * 50, "stone"], ["water " * 50, "bird"])
    batches = TextPairBatches(pairs, tokenizer, batch_tokens=10, max_length=32, seed=1)
    assert batches.per_epoch == 2
    shapes = {batches.batch(step)[0]["source_token_ids"].shape for step in range(2)}
    assert shapes == {(1, 32), (1, len(tokenizer.encode("stone").token_ids))}
    longest = max((batches.batch(step) for step in range(2)), key=lambda batch: batch[1]["logits"].shape[1])
    assert longest[1]["logits"].shape == (1, 31)
    assert longest[1]["logits"][0, -1] == tokenizer.sep_id


def test_a_dataset_goes_on_at_any_step(batches):
    first = next(iter(batches.dataset(start_step=batches.per_epoch + 2)))
    expected = batches.batch(batches.per_epoch + 2)
    for found, wanted in zip(first, expected, strict=True):
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])
    assert int(batches.once().cardinality()) == batches.per_epoch == len(list(batches.once()))


def test_bad_arguments_are_refused(tokenizer):
    with pytest.raises(ValueError, match="batch_tokens must be at least 1, got 0"):
        TextPairBatches(PAIRS, tokenizer, batch_tokens=0, max_length=64, seed=1)
    with pytest.raises(ValueError, match="max_length must be at least 3, got 2"):
        TextPairBatches(PAIRS, tokenizer, batch_tokens=10, max_length=2, seed=1)
    with pytest.raises(ValueError, match="pairs must not be empty"):
        TextPairBatches(TextPairs([], []), tokenizer, batch_tokens=10, max_length=64, seed=1)
