"""Products and lookups with small weights, held against NumPy and against the exact ones."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kerastx.errors import ExportError
from kerastx_export.quantize_onnx import quantize_int8, store_float16


def model_of(nodes, arrays, *, inputs, outputs=("y",)) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node(kind, taken, [made], name=f"node/{made}") for kind, taken, made in nodes],
        "g",
        [helper.make_tensor_value_info(name, kind, [None] * rank) for name, (kind, rank) in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3) for name in outputs],
        [numpy_helper.from_array(values, name) for name, values in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model, **inputs):
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = session.run(None, inputs)
    return results[0] if len(results) == 1 else results


def stored(model) -> dict[str, np.ndarray]:
    return {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}


@pytest.fixture
def weight() -> np.ndarray:
    """(64, 48), columns of very different size."""
    generator = np.random.default_rng(1)
    return (generator.normal(size=(64, 48)) * np.geomspace(1e-3, 10, 48)).astype(np.float32)


@pytest.fixture
def product(weight) -> onnx.ModelProto:
    return model_of([("MatMul", ["x", "w"], "y")], {"w": weight}, inputs={"x": (TensorProto.FLOAT, 3)})


@pytest.fixture
def states() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(2, 5, 64)).astype(np.float32)


def reference_product(states, weight):
    """Return the same scheme in NumPy: rows of activations in ±127; of weights too, and of sums of two neighbours."""
    sums = weight[0::2] + weight[1::2]
    scale = np.maximum(np.abs(weight).max(axis=0), np.abs(sums).max(axis=0)) / 127
    peak = np.abs(states).max(axis=-1, keepdims=True)
    unit = np.rint((states / peak) * 127)
    return (unit @ np.rint(weight / scale)) * peak * scale / 127


def test_a_product_is_that_of_the_scheme(product, weight, states):
    found = run(quantize_int8(product), x=states)
    expected = reference_product(states.astype(np.float64), weight.astype(np.float64))
    # A value on the edge between two of 255 levels may fall either way in float32; each moves a sum by one step.
    step = np.abs(states).max() / 127 * np.abs(weight).max(axis=0)
    assert np.all(np.abs(found - expected) <= step)
    assert np.mean(np.abs(found - expected) > 1e-5 * np.abs(weight).max(axis=0)) < 0.05


def test_a_product_is_near_the_exact_one_in_every_column(product, weight, states):
    error = run(quantize_int8(product), x=states) - states @ weight
    spread = (states @ weight).std(axis=(0, 1))
    # 8-bit columns and rows: about 1 % of the size of a column, small columns as well as large ones.
    assert np.all(error.std(axis=(0, 1)) < 0.03 * spread)
    assert np.median(error.std(axis=(0, 1)) / spread) < 0.012
    assert error.std() > 0


def test_an_outlier_or_a_neighbour_costs_other_tokens_nothing(product, states):
    quantized = quantize_int8(product)
    loud = states.copy()
    loud[1, 3] *= 1e4
    expected = run(quantized, x=states)
    found = run(quantized, x=loud)
    rest = np.ones((2, 5), bool)
    rest[1, 3] = False
    np.testing.assert_array_equal(found[rest], expected[rest])
    np.testing.assert_array_equal(run(quantized, x=states[:1, :2]), expected[:1, :2])


def test_onnxruntime_runs_a_product_as_one_node_and_the_bias_after_its_rows(weight, states, tmp_path):
    bias = np.random.default_rng(3).normal(size=48).astype(np.float32)
    nodes = [("MatMul", ["x", "w"], "z"), ("Add", ["z", "b"], "y")]
    model = model_of(nodes, {"w": weight, "b": bias}, inputs={"x": (TensorProto.FLOAT, 3)})
    quantized = quantize_int8(model)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3  # it warns that the optimized file fits this machine only
    session = onnxruntime.InferenceSession(quantized.SerializeToString(), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert operators.count("MatMulIntegerToFloat") == 1
    assert not {"MatMulInteger", "Cast"} & set(operators[operators.index("QuantizeLinear") :])
    # It adds a bias that it takes into the node before a scale of rows: ours must stay outside.
    (found,) = session.run(None, {"x": states})
    expected = reference_product(states.astype(np.float64), weight.astype(np.float64)) + bias
    step = np.abs(states).max() / 127 * np.abs(weight).max(axis=0)
    assert np.all(np.abs(found - expected) <= step + 1e-6)


@pytest.mark.parametrize("attributes", [{}, {"approximate": "tanh"}])
def test_behind_a_gelu_the_largest_value_is_the_peak(weight, attributes):
    states = np.random.default_rng(6).normal(scale=2, size=(2, 5, 64)).astype(np.float32)
    states[0, 0] = -0.7518  # as low as a gelu gets, everywhere: nothing above zero
    states[0, 1] = -30.0  # zeros
    gelu = model_of([("Gelu", ["x"], "g")], {}, inputs={"x": (TensorProto.FLOAT, 3)}, outputs=("g",))
    nodes = [("Gelu", ["x"], "g"), ("MatMul", ["g", "w"], "y")]
    model = model_of(nodes, {"w": weight}, inputs={"x": (TensorProto.FLOAT, 3)})
    for changed in (gelu, model):
        changed.graph.node[0].attribute.extend(helper.make_attribute(*item) for item in attributes.items())
    activated = run(gelu, x=states)
    assert -0.1701 < activated.min() < -0.169
    quantized = quantize_int8(model)
    assert "Abs" not in {node.op_type for node in quantized.graph.node}
    found, exact = run(quantized, x=states), activated @ weight
    peak = np.maximum(activated.max(axis=-1, keepdims=True), 0.1701 * 223 / 32)
    # Half a step of each factor of 64, all in the same direction at worst.
    bound = 64 * peak * np.abs(weight).max(axis=0) * (0.5 / 223 + 2 * 0.5 / 127 + 1e-4)
    assert np.all(np.abs(found - exact) <= bound)
    assert np.abs(found - exact).std() < 0.01 * exact.std()
    assert not found[0, 1].any()


def test_rows_and_columns_of_zeros_give_zeros(weight, states):
    weight[:, 7] = 0
    states[0, 2] = 0
    model = model_of([("MatMul", ["x", "w"], "y")], {"w": weight}, inputs={"x": (TensorProto.FLOAT, 3)})
    found = run(quantize_int8(model), x=states)
    assert np.isfinite(found).all()
    assert not found[0, 2].any()
    assert not found[..., 7].any()
    assert found[0, 1, :7].all()


def saturated(states, weight):
    """Return x86's product without VNNI: unsigned rows, and two neighbouring products added in 16 bits."""
    unsigned = (states.astype(np.int64) + 128)[:, :, None] * weight.astype(np.int64)
    pairs = unsigned[:, 0::2] + unsigned[:, 1::2]
    return np.clip(pairs, -(2**15), 2**15 - 1).sum(axis=1) - 128 * weight.astype(np.int64).sum(axis=0)


@pytest.mark.parametrize("rows", [64, 63])
def test_weights_stay_within_what_16_bit_sums_hold(rows):
    generator = np.random.default_rng(9)
    weight = generator.standard_t(3, size=(rows, 200)).astype(np.float32)
    weight[:, 0] = 1.0  # all of one column at its peak
    model = model_of([("MatMul", ["x", "w"], "y")], {"w": weight}, inputs={"x": (TensorProto.FLOAT, 3)})
    (values,) = (values for values in stored(quantize_int8(model)).values() if values.ndim == 2)
    assert values.dtype == np.int8
    values = np.concatenate([values, np.zeros((rows % 2, 200), np.int8)]).astype(int)
    peak = np.abs(values).max(axis=0)
    assert peak[0] == 64  # a sum of two is 127 at most before rounding, 128 after
    assert peak.max() == 127  # most columns use all levels
    assert np.median(peak) > 100
    assert np.abs(values[0::2] + values[1::2]).max() <= 128
    extreme = np.concatenate([np.full((1, len(values)), 127), np.full((1, len(values)), -127)])
    extreme = np.concatenate([extreme, generator.integers(-127, 128, (20, len(values)))])
    np.testing.assert_array_equal(saturated(extreme, values), extreme @ values)


def lookup_of(table) -> onnx.ModelProto:
    return model_of([("Gather", ["t", "ids"], "y")], {"t": table}, inputs={"ids": (TensorProto.INT32, 2)})


def test_a_lookup_is_within_half_a_step_of_each_row():
    generator = np.random.default_rng(4)
    table = (generator.normal(size=(100, 32)) * np.geomspace(1e-4, 100, 100)[:, None]).astype(np.float32)
    table[17] = 0
    quantized = quantize_int8(lookup_of(table))
    ids = np.arange(100, dtype=np.int32).reshape(4, 25)
    found = run(quantized, ids=ids)
    half_step = np.abs(table).max(axis=1, keepdims=True) / 127 / 2
    assert np.all(np.abs(found.reshape(100, 32) - table) <= 1.0001 * half_step)
    assert not found.reshape(100, 32)[17].any()
    assert {values.dtype.name for values in stored(quantized).values() if values.shape == (100, 32)} == {"int8"}
    np.testing.assert_array_equal(run(quantized, ids=ids - 100), found)  # from the end, as Gather counts


def test_what_is_small_computed_or_no_matrix_keeps_32_bits(states):
    generator = np.random.default_rng(5)
    arrays = {
        "small": generator.normal(size=(64, 15)).astype(np.float32),  # 960 elements
        "bias": generator.normal(size=64).astype(np.float32),
        "stack": generator.normal(size=(1, 64, 64)).astype(np.float32),
    }
    nodes = [
        ("Add", ["x", "bias"], "shifted"),
        ("MatMul", ["shifted", "stack"], "wide"),
        ("Transpose", ["wide"], "turned"),
        ("MatMul", ["wide", "small"], "y"),
        ("Identity", ["turned"], "z"),
    ]
    model = model_of(nodes, arrays, inputs={"x": (TensorProto.FLOAT, 3)}, outputs=("y", "z"))
    quantized = quantize_int8(model)
    assert [node.op_type for node in quantized.graph.node] == [node.op_type for node in model.graph.node]
    for found, expected in zip(run(quantized, x=states), run(model, x=states), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_one_matrix_as_table_and_as_factor():
    table = np.random.default_rng(6).normal(size=(48, 48)).astype(np.float32) * np.geomspace(0.01, 1, 48)[:, None]
    table = table.astype(np.float32)
    nodes = [("Gather", ["t", "ids"], "rows"), ("MatMul", ["rows", "t"], "y")]
    model = model_of(nodes, {"t": table}, inputs={"ids": (TensorProto.INT32, 2)}, outputs=("rows", "y"))
    ids = np.arange(48, dtype=np.int32).reshape(2, 24)
    (rows, found), (exact_rows, exact) = run(quantize_int8(model), ids=ids), run(model, ids=ids)
    np.testing.assert_allclose(rows, exact_rows, rtol=0, atol=np.abs(table).max() / 127)
    assert np.abs(found - exact).max() < 0.03 * np.abs(exact).max()


def test_the_given_model_stays_as_it_was(product):
    before = product.SerializeToString()
    quantize_int8(product)
    store_float16(product)
    assert product.SerializeToString() == before


def test_unused_float_weights_leave_the_graph(product):
    assert "w" not in stored(quantize_int8(product))


def test_fp16_weights_are_the_nearest_and_widened_before_use(product, weight, states):
    halved = store_float16(product)
    assert {name: values.dtype.name for name, values in stored(halved).items()} == {"w/float16": "float16"}
    expected = states @ weight.astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(run(halved, x=states), expected, rtol=1e-5, atol=1e-4)


def test_fp16_leaves_small_and_integer_constants_alone(states):
    arrays = {"bias": np.linspace(0, 1, 64, dtype=np.float32), "shape": np.array([0, 0, 64], np.int64)}
    nodes = [("Add", ["x", "bias"], "sum"), ("Reshape", ["sum", "shape"], "y")]
    model = model_of(nodes, arrays, inputs={"x": (TensorProto.FLOAT, 3)})
    assert store_float16(model) == model


@pytest.mark.filterwarnings("error")
def test_fp16_refuses_what_it_cannot_hold(weight):
    weight[3, 3] = 65536.0
    model = model_of([("MatMul", ["x", "w"], "y")], {"w": weight}, inputs={"x": (TensorProto.FLOAT, 3)})
    with pytest.raises(ExportError, match=r"^w has values beyond ±65504, which fp16 cannot hold; use fp32$"):
        store_float16(model)
