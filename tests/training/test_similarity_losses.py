"""Losses of sentence vectors, by the definition, in loops."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy, convert_to_tensor

from kerastx.training.similarity_losses import CoSent, InBatchNegatives

GENERATOR = np.random.default_rng(8)


def unit_vectors(count):
    vectors = GENERATOR.normal(size=(count, 6))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("float32")


def values(loss, targets, vectors):
    return convert_to_numpy(loss.call(convert_to_tensor(targets), convert_to_tensor(vectors)))


def test_cosent_by_its_definition():
    vectors = unit_vectors(10)
    ratings = np.array([3.0, 1.0, 5.0, 1.0, 2.0], "float32")
    cosines = (vectors[:5] * vectors[5:]).sum(1)
    terms = [
        np.exp(7.0 * (cosines[low] - cosines[high]))
        for high in range(5)
        for low in range(5)
        if ratings[high] > ratings[low]
    ]
    assert len(terms) == 9  # of 10 pairs two are rated the same
    found = values(CoSent(scale=7.0), np.tile(ratings, 2)[:, None], vectors)
    np.testing.assert_allclose(found, np.full(10, np.log(1 + np.sum(terms))), rtol=1e-5)


def test_cosent_knows_only_the_order_of_the_ratings():
    vectors = unit_vectors(8)
    ratings = np.tile(np.array([0.1, 0.4, 0.2, 0.3], "float32"), 2)[:, None]
    np.testing.assert_allclose(
        values(CoSent(), ratings, vectors), values(CoSent(), 1000 * ratings**3, vectors), rtol=1e-6
    )


def test_cosent_of_one_rating_is_nothing():
    np.testing.assert_array_equal(values(CoSent(), np.ones((8, 1), "float32"), unit_vectors(8)), 0.0)


@pytest.mark.parametrize("texts", [2, 3])
def test_in_batch_negatives_by_their_definition(texts):
    vectors = unit_vectors(4 * texts)
    # Rows 0 and 2 are positives of each other; the third text of row 3 is a second text of row 1.
    numbers = np.array([0, 1, 0, 2, 0, 1, 0, 2, 7, 8, 9, 1][: 4 * texts], "int32")
    expected = []
    for row in range(4):
        logits = 5.0 * vectors[4:] @ vectors[row]
        kept = [place for place, number in enumerate(numbers[4:]) if place == row or number != numbers[row]]
        expected.append(np.log(np.exp(logits[kept]).sum()) - logits[row])
    assert len(kept) == 4 * texts - 4
    found = values(InBatchNegatives(texts=texts, scale=5.0), numbers, vectors)
    np.testing.assert_allclose(found, np.tile(expected, texts), rtol=1e-5)


@pytest.mark.parametrize("loss", [CoSent(scale=3.0), InBatchNegatives(texts=3, scale=3.0)])
def test_they_go_through_their_configs(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    vectors, targets = unit_vectors(6), np.array([[0], [1], [0], [1], [0], [1]], "float32")
    np.testing.assert_array_equal(values(again, targets, vectors), values(loss, targets, vectors))
