from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kerastx.data.masking import default_max_predictions, mask_tokens
from kerastx.text.tokenizer import SPECIAL_TOKENS, Tokenizer

BATCH, LENGTH, PREDICTIONS = 64, 128, 20


@pytest.fixture(scope="module")
def tokenizer(store) -> Tokenizer:
    return store.tokenizer


@pytest.fixture(scope="module")
def batch(tokenizer):
    """Rows of 3 to 128 tokens: [CLS] A [SEP] B [SEP], [UNK] among them."""
    pick = np.random.default_rng(0)
    token_ids = pick.integers(len(SPECIAL_TOKENS), tokenizer.vocabulary_size, (BATCH, LENGTH))
    lengths = np.concatenate([[3, 4, 5, 128], pick.integers(20, LENGTH + 1, BATCH - 4)])
    token_ids[:, 0] = tokenizer.cls_id
    token_ids[:, 10] = tokenizer.unknown_id
    token_ids[np.arange(BATCH), lengths // 2] = tokenizer.sep_id
    token_ids[np.arange(BATCH), lengths - 1] = tokenizer.sep_id
    padding_mask = np.arange(LENGTH) < lengths[:, None]
    token_ids[~padding_mask] = tokenizer.pad_id
    return {"token_ids": token_ids.astype(np.int32), "padding_mask": padding_mask}


@pytest.fixture(scope="module")
def masked(tokenizer):
    """Return a function: batch, seed -> masked arrays, through one graph for each kind of masking."""
    graphs = {}

    def run(batch, step, *, whole_word=False, max_predictions=PREDICTIONS):
        key = (whole_word, max_predictions, batch["token_ids"].shape)
        if key not in graphs:
            graphs[key] = tf.function(
                lambda batch, seed: mask_tokens(
                    batch, seed, tokenizer=tokenizer, max_predictions=max_predictions, whole_word=whole_word
                )
            )
        tensors = graphs[key](
            {name: tf.constant(value) for name, value in batch.items()}, tf.constant([7, step], tf.int64)
        )
        return {name: value.numpy() for name, value in tensors.items()}

    return run


def hidden(result):
    """Yield (row, position, original id, new id) of every selected token."""
    for row, column in np.argwhere(result["masked_weights"] == 1):
        position = result["masked_positions"][row, column]
        yield row, position, result["masked_labels"][row, column], result["token_ids"][row, position]


@pytest.mark.parametrize("whole_word", [False, True])
def test_labels_are_the_original_tokens_and_all_others_stay(masked, batch, whole_word):
    result = masked(batch, 0, whole_word=whole_word)
    rebuilt = result["token_ids"].copy()
    for row, position, original, _ in hidden(result):
        rebuilt[row, position] = original
    np.testing.assert_array_equal(rebuilt, batch["token_ids"])
    np.testing.assert_array_equal(result["padding_mask"], batch["padding_mask"])


@pytest.mark.parametrize("whole_word", [False, True])
def test_special_tokens_and_padding_are_never_hidden_nor_put_in(masked, batch, tokenizer, whole_word):
    for step in range(10):
        result = masked(batch, step, whole_word=whole_word)
        for row, position, original, new in hidden(result):
            assert batch["padding_mask"][row, position]
            assert original not in tokenizer.special_ids
            assert new == tokenizer.mask_id or new not in tokenizer.special_ids


def test_15_percent_of_each_row_are_hidden_rounded_up(masked, batch, tokenizer):
    result = masked(batch, 1)
    selectable = (~np.isin(batch["token_ids"], tokenizer.special_ids)).sum(1)
    expected = np.minimum(np.ceil(np.float32(0.15) * selectable.astype(np.float32)), PREDICTIONS)
    np.testing.assert_array_equal(result["masked_weights"].sum(1), expected)
    assert expected.min() == 0  # a row of [CLS] [SEP] [SEP] has nothing to hide


def test_positions_ascend_without_repetition_and_filler_is_zero(masked, batch):
    result = masked(batch, 2)
    for positions, labels, weights in zip(
        result["masked_positions"], result["masked_labels"], result["masked_weights"], strict=True
    ):
        count = int(weights.sum())
        assert (weights[:count] == 1).all()
        assert (np.diff(positions[:count]) > 0).all()
        assert not positions[count:].any()
        assert not labels[count:].any()
        assert not weights[count:].any()


def test_80_percent_become_mask_10_percent_random_10_percent_stay(masked, batch, tokenizer):
    counts = {"mask": 0, "same": 0, "random": 0}
    for step in range(40):
        for _, _, original, new in hidden(masked(batch, step)):
            counts["mask" if new == tokenizer.mask_id else "same" if new == original else "random"] += 1
    total = sum(counts.values())
    ordinary = tokenizer.vocabulary_size - len(SPECIAL_TOKENS)
    expected = {
        "mask": 0.8,
        "same": 0.1 + 0.1 / ordinary,
        "random": 0.1 - 0.1 / ordinary,
    }  # a random draw may hit itself
    chi_square = sum((counts[name] - total * share) ** 2 / (total * share) for name, share in expected.items())
    assert total > 20_000
    assert chi_square < 13.8  # exceeded once in 1,000 seeds; two degrees of freedom


def test_random_tokens_and_positions_are_uniform(masked, batch, tokenizer):
    full_row = {name: np.repeat(value[3:4], BATCH, 0) for name, value in batch.items()}  # 128 real tokens
    tokens, positions = [], []
    for step in range(40):
        for _, position, original, new in hidden(masked(full_row, step)):
            positions.append(position)
            if new not in (original, tokenizer.mask_id):
                tokens.append(new)
    for values, cells in ((tokens, tokenizer.vocabulary_size - len(SPECIAL_TOKENS)), (positions, LENGTH - 4)):
        seen = np.unique(values, return_counts=True)[1]
        expected = len(values) / cells
        chi_square = ((seen - expected) ** 2 / expected).sum() + (cells - len(seen)) * expected
        assert chi_square < cells + 4 * np.sqrt(2 * cells)


def test_rows_with_the_same_words_are_masked_differently(masked, batch):
    same = {name: np.repeat(value[3:4], BATCH, 0) for name, value in batch.items()}
    for whole_word in (False, True):
        positions = masked(same, 0, whole_word=whole_word)["masked_positions"]
        assert len({tuple(row) for row in positions}) == BATCH


@pytest.mark.parametrize("whole_word", [False, True])
def test_masks_are_a_function_of_the_seed(masked, batch, whole_word):
    first = masked(batch, 5, whole_word=whole_word)
    other = masked(batch, 6, whole_word=whole_word)
    tf.random.set_seed(99)
    again = masked(batch, 5, whole_word=whole_word)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert (first["masked_positions"] != other["masked_positions"]).any()


def test_the_budget_never_exceeds_max_predictions(masked, batch):
    result = masked(batch, 0, max_predictions=4)
    assert result["masked_positions"].shape == (BATCH, 4)
    assert result["masked_weights"].sum(1).max() == 4
    changed = (result["token_ids"] != batch["token_ids"]).sum(1)
    assert changed.max() <= 4  # nothing is hidden that is not also asked for


def words_of(tokenizer, token_ids, padding_mask):
    """Return the word number of every token of a row; special tokens stand alone."""
    words, previous_special = [], True
    for token_id in token_ids[padding_mask]:
        special = token_id in tokenizer.special_ids
        starts = special or previous_special or tokenizer.word_start[token_id]
        words.append((words[-1] if words else -1) + bool(starts))
        previous_special = special
    return np.array(words)


def test_whole_words_are_hidden_together(masked, batch, tokenizer):
    num_several = 0
    for step in range(5):
        result = masked(batch, step, whole_word=True)
        chosen = np.zeros_like(batch["padding_mask"])
        for row, position, _, _ in hidden(result):
            chosen[row, position] = True
        for row in range(BATCH):
            real = batch["padding_mask"][row]
            words = words_of(tokenizer, batch["token_ids"][row], real)
            for word in np.unique(words):
                pieces = chosen[row][real][words == word]
                assert pieces.all() or not pieces.any()
                num_several += len(pieces) > 1 and pieces.all()
    assert num_several > 20


def test_whole_word_masking_hides_about_15_percent_too(masked, store, tokenizer):
    texts = [tokenizer.decode(store.tokens[start : start + 200]) for start in range(0, 64 * 40, 40)]
    encodings = tokenizer.encode_batch(texts, max_length=LENGTH)
    inputs = tokenizer.pad(encodings, length=LENGTH)
    real = {name: inputs[name] for name in ("token_ids", "padding_mask")}
    result = masked(real, 0, whole_word=True)
    selectable = (~np.isin(real["token_ids"], tokenizer.special_ids)).sum()
    assert 0.14 < result["masked_weights"].sum() / selectable <= 0.155


def test_a_default_has_room_for_15_percent():
    assert [default_max_predictions(length) for length in (8, 64, 128, 512)] == [2, 10, 20, 77]
