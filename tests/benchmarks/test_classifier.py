from __future__ import annotations

import keras
import numpy as np
import pytest
from classifier import (
    NUM_CLASSES,
    bert_names,
    check_inputs,
    full_row,
    product_operations,
    random_weights,
    reference_logits,
    sizes,
)

from kerastx.checkpoint.store import build_model
from kerastx.checkpoint.weights import assign_weights
from kerastx.models.config import EncoderConfig

SMALL = sizes(vocabulary_size=50, hidden_dim=16, num_layers=2, num_heads=4, intermediate_dim=32, max_sequence_length=24)


@pytest.fixture(scope="module")
def weights():
    return random_weights(SMALL)


@pytest.fixture(scope="module")
def model(weights) -> keras.Model:
    model = build_model("classification", EncoderConfig(**SMALL), tuple("abcdef"))
    assign_weights(model.weights, weights, source="the shared weights")
    return model


def test_our_model_is_the_reference(model, weights):
    for inputs in check_inputs(SMALL, 12):
        found = np.asarray(model(inputs)["logits"])
        np.testing.assert_allclose(found, reference_logits(weights, SMALL, inputs), atol=1e-5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("encoder_block_0/attention_norm/gamma", "encoder_block_0/feed_forward_norm/gamma"),
        ("encoder_block_0/attention/output_projection/bias", "encoder_block_1/attention/output_projection/bias"),
        ("encoder_block_0/feed_forward/expansion/kernel", "encoder_block_1/feed_forward/expansion/kernel"),
        ("input_embeddings/norm/beta", "encoder_block_1/attention_norm/beta"),
    ],
)
def test_weights_that_change_places_change_the_answer(weights, one, other):
    swapped = {**weights, one: weights[other], other: weights[one]}
    (inputs, *_) = check_inputs(SMALL, 12)
    moved = np.abs(reference_logits(swapped, SMALL, inputs) - reference_logits(weights, SMALL, inputs)).max()
    assert moved > 1e-3  # ten times what is tolerated


def test_query_and_key_that_change_places_change_the_answer(weights):
    swapped = dict(weights)
    for name in ("encoder_block_0/attention/qkv/kernel", "encoder_block_0/attention/qkv/bias"):
        query, key, value = np.split(weights[name], 3, axis=-1)
        swapped[name] = np.concatenate([key, query, value], axis=-1)
    moved = [
        np.abs(reference_logits(swapped, SMALL, inputs) - reference_logits(weights, SMALL, inputs)).max()
        for inputs in check_inputs(SMALL, 12)
    ]
    assert max(moved) > 1e-3


def test_the_gelus_differ(weights):
    (inputs, *_) = check_inputs(SMALL, 12)
    exact, tanh = (reference_logits(weights, SMALL, inputs, gelu=name) for name in ("exact", "tanh"))
    assert 0 < np.abs(exact - tanh).max() < 0.05


def test_weights_and_inputs_are_the_same_every_time(weights):
    again = random_weights(SMALL)
    assert all(np.array_equal(again[name], values) for name, values in weights.items())
    np.testing.assert_array_equal(full_row(SMALL, 12)["token_ids"], full_row(SMALL, 12)["token_ids"])
    assert full_row(SMALL, 12)["padding_mask"].all()
    padded = check_inputs(SMALL, 12)[1]
    assert padded["padding_mask"].sum() == 9
    assert set(padded["segment_ids"].ravel()) == {0, 1}
    assert {name: value.dtype.name for name, value in bert_names(padded).items()} == dict.fromkeys(
        ("input_ids", "token_type_ids", "attention_mask"), "int64"
    )


def test_operations_of_all_products():
    # Per layer and token 2 · (4·16·16 + 2·16·32) and 4 · 12 · 16 for the scores and contexts; the pooler once.
    assert product_operations(SMALL, 12) == 2 * 12 * (2 * (1024 + 1024) + 768) + 2 * 256
    # The last block then leaves out eleven of twelve output projections, feed-forwards, scores and contexts.
    fewer = product_operations(SMALL, 12) - product_operations(SMALL, 12, first_token_only=True)
    assert fewer == 11 * (2 * 256 + 2 * 1024 + 768)
    assert random_weights(SMALL)["classifier_head/bias"].shape == (NUM_CLASSES,)
