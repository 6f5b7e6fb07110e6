"""Batches for sentence vectors: whose texts they hold, in which order, with which targets."""

from __future__ import annotations

import numpy as np
import pytest

from kerastx.data.labelled import LabelledData
from kerastx.data.similarity import similarity_dataset
from kerastx.text.tokenizer import Tokenizer

FIRST, SECOND, THIRD = list("abcde"), ["f g", "g", "h", "i", "j"], ["k", "a", "h", "k", "l m n"]
TOKENIZER = Tokenizer.train([*FIRST, *SECOND, *THIRD], vocabulary_size=100)


def batches(data, **choices):
    made = similarity_dataset(data, TOKENIZER, **{"batch_size": 2, "max_length": 16, **choices})
    found = [
        ({name: value.numpy() for name, value in inputs.items()}, answer["vector"].numpy()) for inputs, answer in made
    ]
    assert len(found) == made.cardinality()
    return found


def texts_of(inputs):
    return [TOKENIZER.decode(ids[mask]) for ids, mask in zip(inputs["token_ids"], inputs["padding_mask"], strict=True)]


def test_first_texts_then_second_ones_with_their_ratings():
    found = batches(LabelledData.of_numbers(FIRST, [5, 4, 3, 2, 1], pairs=SECOND))
    assert [texts_of(inputs) for inputs, _ in found] == [["a", "b", "f g", "g"], ["c", "d", "h", "i"], ["e", "j"]]
    assert [targets.ravel().tolist() for _, targets in found] == [[5, 4, 5, 4], [3, 2, 3, 2], [1, 1]]
    assert {inputs["token_ids"].shape[1] for inputs, _ in found} == {8}


def test_third_texts_have_the_number_of_the_texts_they_equal():
    found = batches(LabelledData.of_positives(FIRST, SECOND, negatives=THIRD), batch_size=5)
    ((inputs, numbers),) = found
    assert texts_of(inputs) == [*FIRST, *SECOND, *THIRD]
    assert numbers[:10].tolist() == [0, 1, 2, 3, 4] * 2
    a, same, other = numbers[11], numbers[12], numbers[[10, 13, 14]]
    assert (a, same) == (0, 2)
    assert other[0] == other[1]
    assert len({*other.tolist(), *range(5)}) == 7


def test_a_seed_shuffles_anew_in_every_epoch():
    data = LabelledData.of_numbers(FIRST, [5, 4, 3, 2, 1], pairs=SECOND)
    made = similarity_dataset(data, TOKENIZER, batch_size=1, max_length=16, seed=3)
    first, second = ([answer["vector"].numpy()[0, 0] for _, answer in made] for _ in range(2))
    assert sorted(first) == sorted(second) == [1, 2, 3, 4, 5]
    assert first != second


@pytest.mark.parametrize(
    ("data", "choices", "message"),
    [
        (LabelledData.of_numbers(["a"], [1.0], pairs=["b"]), {"batch_size": 0}, "batch_size must be at least 1, got 0"),
        (LabelledData.of_numbers([], [], pairs=[]), {}, "expected rated pairs or positives, got 0 rows for regression"),
        (LabelledData.of(["a"], ["x"], "xy", pairs=["b"]), {}, "got 1 rows for classification"),
        (LabelledData.of_numbers(["a"], [1.0]), {}, "expected rated pairs or positives"),
    ],
)
def test_wrong_rows(data, choices, message):
    with pytest.raises(ValueError, match=message):
        batches(data, **choices)


def test_targets_of_ratings_are_numbers():
    (_, targets), *_ = batches(LabelledData.of_numbers(FIRST, [5, 4, 3, 2, 1], pairs=SECOND))
    assert targets.dtype == np.float32
