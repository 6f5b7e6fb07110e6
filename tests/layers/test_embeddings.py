"""Embeddings: sums of the right rows, and one table at both ends."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.embeddings import InputEmbeddings, TokenEmbedding

IDS = np.array([[2, 7, 0], [1, 1, 9]], "int32")
SEGMENTS = np.array([[0, 1, 1], [0, 0, 1]], "int32")


def test_token_embedding_looks_up_and_projects_with_one_table():
    layer = TokenEmbedding(10, 4, name="token_embedding")
    vectors = array(layer(IDS))
    table = array(layer.table)
    np.testing.assert_array_equal(vectors, table[IDS])
    np.testing.assert_allclose(array(layer.project(vectors)), table[IDS] @ table.T, atol=1e-6)


def test_input_embeddings_add_token_position_and_segment():
    layer = InputEmbeddings(6, dropout_rate=0.0, epsilon=1e-6, name="input_embeddings")
    vectors = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    result = array(layer(vectors, SEGMENTS))
    total = vectors + array(layer.positions)[None, :3] + array(layer.segments)[SEGMENTS]
    np.testing.assert_allclose(result, array(layer.norm(total)), atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="jax takes the last row for an index that is too large")
def test_inputs_longer_than_the_position_table_are_refused():
    layer = InputEmbeddings(2, name="input_embeddings")
    with pytest.raises(Exception, match=r"indices.* = 2 is not in \[0, 2\)"):
        layer(np.zeros((2, 3, 4), "float32"), SEGMENTS)


def test_layer_contracts(tmp_path):
    check_layer(TokenEmbedding(10, 4, initializer_range=1.0, name="token_embedding"), (IDS,), tmp_path)
    layer = InputEmbeddings(6, num_segments=3, initializer_range=1.0, epsilon=1e-6, name="input_embeddings")
    vectors = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    check_layer(layer, (vectors, SEGMENTS), tmp_path)


def test_bad_arguments():
    with pytest.raises(ValueError, match="vocabulary_size and hidden_dim must be at least 1"):
        TokenEmbedding(0, 4)
    with pytest.raises(ValueError, match="max_sequence_length must be at least 1"):
        InputEmbeddings(0)
