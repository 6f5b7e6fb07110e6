"""The output table, tied to the embedding or not."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.embeddings import TokenEmbedding
from kerastx.layers.vocabulary_logits import VocabularyLogits


@pytest.mark.parametrize("use_bias", [False, True])
def test_logits_are_products_with_the_table(states, use_bias):
    embedding = TokenEmbedding(11, 8, initializer_range=0.5, name="embedding")
    layer = VocabularyLogits(embedding, use_bias=use_bias, name="vocabulary_logits")
    layer(states)
    expected = states @ array(embedding.table).T
    if use_bias:
        layer.bias.assign(np.arange(11))
        expected = expected + np.arange(11)
    np.testing.assert_allclose(array(layer(states)), expected, atol=1e-5)
    np.testing.assert_allclose(array(layer(states, training=True)), expected, atol=1e-5)


def test_a_tied_table_is_one_weight():
    embedding = TokenEmbedding(11, 8, name="embedding")
    token_ids = keras.Input((None,), dtype="int32")
    model = keras.Model(token_ids, VocabularyLogits(embedding, name="vocabulary_logits")(embedding(token_ids)))
    assert [weight.path for weight in model.weights] == ["embedding/table"]


def test_a_turned_table_gives_the_same_logits_inside_of_its_block_only(states):
    embedding = TokenEmbedding(11, 8, initializer_range=0.5, name="embedding")
    layer = VocabularyLogits(embedding, name="vocabulary_logits")
    expected = array(layer(states))
    with embedding.turned():
        np.testing.assert_allclose(array(layer(states)), expected, atol=1e-6)
        embedding.table.assign(2 * embedding.table)
        np.testing.assert_allclose(array(layer(states)), expected, atol=1e-6)  # of the table as it was
    np.testing.assert_allclose(array(layer(states)), 2 * expected, atol=1e-5)


def test_layer_contract(states, tmp_path):
    layer = VocabularyLogits(TokenEmbedding(11, 8, initializer_range=0.3), use_bias=True, name="vocabulary_logits")
    check_layer(layer, (states,), tmp_path)
