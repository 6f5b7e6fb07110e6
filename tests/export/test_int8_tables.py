"""Tables in 8 bits whose rows are of very different size."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from kerastx.layers.embeddings import InputEmbeddings
from kerastx_export.builder import TfliteBuilder
from kerastx_export.int8_tables import int8_tables, scales_of
from kerastx_export.recipes import RECIPES


@pytest.fixture
def uneven(make_checkpoint):
    """A checkpoint with a few token and position rows far larger than the others."""
    checkpoint = make_checkpoint()
    for layer, name in (("token_embedding", "table"), ("input_embeddings", "positions")):
        variable = getattr(checkpoint.model.get_layer(layer), name)
        values = ops.convert_to_numpy(variable).copy()
        values[::40] *= 100
        variable.assign(values)
    return checkpoint


def test_rows_are_within_half_a_step_and_the_model_is_as_before(uneven):
    layers = uneven.model.get_layer("token_embedding"), uneven.model.get_layer("input_embeddings")
    for layer in layers:
        table = ops.convert_to_numpy(layer.positions if isinstance(layer, InputEmbeddings) else layer.table)
        ids = np.arange(len(table), dtype=np.int32)[None]
        exact = ops.convert_to_numpy(layer.rows(ids))[0]
        with int8_tables(uneven.model):
            found = ops.convert_to_numpy(layer.rows(ids))[0]
        error = np.abs(found - exact).max(axis=1)
        assert (error <= 0.501 * np.abs(table).max(axis=1) / 127).all()
        assert error.any()
        np.testing.assert_array_equal(ops.convert_to_numpy(layer.rows(ids))[0], exact)


def test_a_row_of_zeros_has_a_step():
    assert scales_of(np.array([[0.0, 0.0], [-127.0, 1.0]])).tolist() == [[1.0], [1.0]]


def test_a_file_holds_them_in_8_bits_and_answers_from_them(uneven, tmp_path):
    builder = TfliteBuilder(uneven, tmp_path)
    graph = builder.graph(RECIPES["dynamic_wi8_afp32"])
    table = ops.convert_to_numpy(uneven.model.get_layer("token_embedding").table)
    stored = [constant for constant in graph.constants if tuple(constant.shape) == table.shape]
    assert [constant.dtype for constant in stored] == ["int8"]
    assert builder.graph(RECIPES["fp32"]).operators["GATHER"] < graph.operators["GATHER"]
