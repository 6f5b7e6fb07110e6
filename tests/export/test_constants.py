"""Lost weights and a storage that was not asked for are named."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from kerastx.errors import ExportError
from kerastx_export.constants import Constant, check_storage, check_weights, onnx_constants
from kerastx_export.recipes import RECIPES


@pytest.fixture
def constants(small) -> list[Constant]:
    """What a faithful conversion of `small` holds, kernels transposed as TFLite does."""
    return [Constant(variable.path, tuple(reversed(variable.shape)), "float32") for variable in small.model.weights]


def without(constants, *names) -> list[Constant]:
    kept = [constant for constant in constants if constant.name not in names]
    assert len(kept) == len(constants) - len(names)
    return kept


def test_onnx_constants_are_the_initializers():
    arrays = {"table": np.zeros((4, 3), np.float16), "ids": np.zeros(5, np.int64), "one": np.float32(1)}
    entries = [numpy_helper.from_array(np.asarray(values), name) for name, values in arrays.items()]
    model = helper.make_model(helper.make_graph([], "g", [], [], entries))
    assert onnx_constants(model) == [
        Constant("table", (4, 3), "float16"),
        Constant("ids", (5,), "int64"),
        Constant("one", (), "float32"),
    ]
    assert [constant.size for constant in onnx_constants(model)] == [12, 5, 1]


def test_a_graph_with_all_weights_passes(small, constants):
    check_weights(small.model, constants)


def test_small_weights_are_left_to_parity(small, constants):
    check_weights(small.model, without(constants, "classifier_head/kernel", "pooler/projection/bias"))


def test_lost_weights_are_named(small, constants):
    with pytest.raises(ExportError, match=r"lost the weights token_embedding/table \(300, 64\)$"):
        check_weights(small.model, without(constants, "token_embedding/table"))
    lost = ["input_embeddings/positions", "encoder_block_0/feed_forward/expansion/kernel"]
    with pytest.raises(ExportError, match=r"lost the weights input_embeddings/positions \(80, 64\) and 1 more$"):
        check_weights(small.model, without(constants, *lost))


def test_one_of_two_kernels_of_a_shape_is_missed(small, constants):
    # pooler and output projection are both 64 x 64: the second one has no constant left.
    with pytest.raises(ExportError, match=r"lost the weights pooler/projection/kernel \(64, 64\)$"):
        check_weights(small.model, without(constants, "encoder_block_0/attention/output_projection/kernel"))


def test_equal_weights_may_be_stored_once(make_checkpoint):
    checkpoint = make_checkpoint(num_layers=1)
    weights = {variable.path: variable for variable in checkpoint.model.weights}
    pooler, output = "pooler/projection/kernel", "encoder_block_0/attention/output_projection/kernel"
    constants = [Constant(path, tuple(variable.shape), "float32") for path, variable in weights.items()]
    constants = without(constants, pooler)
    weights[pooler].assign(weights[output])
    check_weights(checkpoint.model, constants)


@pytest.mark.parametrize("parts", [(64,) * 3, (64, 128)])
def test_a_projection_may_be_stored_in_parts(small, constants, parts):
    qkv = "encoder_block_0/attention/qkv/kernel"
    slices = [Constant(f"slice{number}", (columns, 64), "float32") for number, columns in enumerate(parts)]
    check_weights(small.model, [*without(constants, qkv), *slices])
    with pytest.raises(ExportError, match=rf"lost the weights {qkv} \(64, 192\)$"):
        check_weights(small.model, [*without(constants, qkv), *slices[1:]])


@pytest.mark.parametrize(
    ("recipe", "dtype"),
    [("fp32", "float32"), ("fp16", "float16"), ("dynamic_wi8_afp32", "int8"), ("dynamic_wi8_afp32", "uint8")],
)
def test_a_recipe_that_happened_passes(recipe, dtype):
    check_storage(
        RECIPES[recipe],
        [
            Constant("kernel", (64, 64), dtype),
            Constant("bias", (8192,), "float32"),
            Constant("scale", (8192, 1), "float32"),
            Constant("small", (64, 63), "float32"),
        ],
    )


@pytest.mark.parametrize(
    ("recipe", "dtype"),
    [("fp32", "float16"), ("fp16", "float32"), ("dynamic_wi8_afp32", "float32"), ("dynamic_wi8_afp32", "int4")],
)
def test_a_recipe_that_did_not_happen_names_the_matrix(recipe, dtype):
    good = Constant("good", (64, 64), RECIPES[recipe].weight_dtype)
    message = rf"^{recipe} was asked for, but block/kernel \(1, 64, 64\) is stored as {dtype}$"
    with pytest.raises(ExportError, match=message):
        check_storage(RECIPES[recipe], [good, Constant("block/kernel", (1, 64, 64), dtype)])
