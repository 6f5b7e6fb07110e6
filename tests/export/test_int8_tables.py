"""Tables in 8 bits whose rows are of very different size."""

from __future__ import annotations

import numpy as np
import pytest
import writing_checkpoints
from keras import ops

from kerastx.checkpoint.store import Checkpoint, build_model
from kerastx.layers.embeddings import InputEmbeddings
from kerastx.layers.positioned_embeddings import PositionedEmbeddings
from kerastx.models.config import EncoderConfig
from kerastx.runtime.engines import open_engine
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


def test_positions_of_models_that_write_have_rows_of_their_own_size():
    checkpoint = writing_checkpoints.language_model("gpt2")
    (layer,) = (one for one in checkpoint.model._flatten_layers() if isinstance(one, PositionedEmbeddings))
    table = ops.convert_to_numpy(layer.positions).copy()
    table[0] *= 100  # as the first position of GPT-2
    layer.positions.assign(table)
    with int8_tables(checkpoint.model):
        found = ops.convert_to_numpy(layer.rows(np.arange(len(table), dtype=np.int32)[None]))[0]
    error = np.abs(found - table).max(axis=1)
    assert error.any()
    assert (error <= 0.501 * np.abs(table).max(axis=1) / 127).all()


def test_a_row_of_zeros_has_a_step():
    assert scales_of(np.array([[0.0, 0.0], [-127.0, 1.0]])).tolist() == [[1.0], [1.0]]


def test_a_file_answers_from_rows_in_8_bits_with_exact_scales(tokenizer, tmp_path):
    """More rows than the converter leaves alone, and a block that changes nothing: what the file says is theirs."""
    rows = 2000
    config = EncoderConfig(
        vocabulary_size=rows, hidden_dim=64, num_layers=1, num_heads=2, intermediate_dim=64, max_sequence_length=1500
    )
    model = build_model("embedding", config)
    generator = np.random.default_rng(3)
    for layer, name in (("token_embedding", "table"), ("input_embeddings", "positions")):
        variable = getattr(model.get_layer(layer), name)
        values = generator.normal(size=variable.shape) * np.geomspace(0.01, 10, variable.shape[0])[:, None]
        variable.assign(generator.permutation(values))
    for variable in model.get_layer("encoder_block_0").weights:
        variable.assign(np.full(variable.shape, float("gamma" in variable.path)))
    checkpoint = Checkpoint(model=model, tokenizer=tokenizer, config=config, task="embedding", max_length=1500)
    builder = TfliteBuilder(checkpoint, tmp_path)
    graph = builder.graph(RECIPES["dynamic_wi8_afp32"])
    stored = {tuple(constant.shape): constant.dtype for constant in graph.constants}
    assert stored[rows, 64] == stored[1500, 64] == "int8"
    ids = generator.integers(0, rows, (4, 1200)).astype(np.int32)
    inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": np.ones(ids.shape, bool)}
    with int8_tables(model):
        expected = ops.convert_to_numpy(model(inputs)["vector"])
    found = open_engine(graph.content, "tflite").run(inputs)["vector"]
    np.testing.assert_allclose(found, expected, atol=2e-5)
