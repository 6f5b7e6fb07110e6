"""The masked-LM head: gathered rows, tied weights, and the loss of the textbook."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from layer_contract import array, check_gradients, gradients

from kerastx.layers.embeddings import TokenEmbedding
from kerastx.layers.gathering import gather_positions
from kerastx.layers.masked_lm_head import MaskedLMHead

POSITIONS = np.array([[4, 0, 4], [1, 2, 0]], "int32")


@pytest.fixture
def head():
    embedding = TokenEmbedding(11, 8, initializer_range=0.5, name="token_embedding")
    embedding.build()
    return MaskedLMHead(embedding, epsilon=1e-6, name="masked_lm_head")


def test_gathers_rows_of_the_own_sequence(states):
    expected = np.stack([states[0][POSITIONS[0]], states[1][POSITIONS[1]]])
    np.testing.assert_array_equal(array(gather_positions(states, POSITIONS)), expected)


def test_equals_transform_norm_and_tied_projection(states, head):
    result = array(head(states, POSITIONS))
    head.bias.assign(np.arange(11, dtype="float32"))
    inner = head.norm(keras.ops.gelu(head.transform(array(gather_positions(states, POSITIONS))), approximate=False))
    expected = array(inner) @ array(head.token_embedding.table).T
    np.testing.assert_allclose(result, expected, atol=1e-5)
    np.testing.assert_allclose(array(head(states, POSITIONS)), expected + np.arange(11), atol=1e-5)


def test_other_positions_do_not_matter(states, head):
    clean = array(head(states, POSITIONS))
    states[0, 1:4] = 1e3
    states[1, 3:] = -1e3
    np.testing.assert_array_equal(array(head(states, POSITIONS)), clean)


def test_gradients_reach_the_tied_table(states, head):
    head(states, POSITIONS)
    check_gradients(head, (states, POSITIONS), {})

    def loss():
        return ops.sum(head(states, POSITIONS) ** 2)

    paths = [variable.path for variable in head.trainable_variables]
    table_gradient = gradients(head, loss)[paths.index("token_embedding/table")]
    assert np.abs(table_gradient).min(axis=1).max() > 0  # every token is an output, so every row moves


def test_a_saved_model_keeps_the_tie(states, head, tmp_path):
    ids = keras.Input((None,), dtype="int32")
    positions = keras.Input((None,), dtype="int32")
    model = keras.Model([ids, positions], head(head.token_embedding(ids), positions))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    tokens = np.array([[1, 2, 3, 4, 5]] * 2, "int32")
    np.testing.assert_allclose(array(loaded([tokens, POSITIONS])), array(model([tokens, POSITIONS])), atol=1e-6)
    assert loaded.get_layer("masked_lm_head").token_embedding is loaded.get_layer("token_embedding")
    assert head.get_config()["activation"] == "gelu"
