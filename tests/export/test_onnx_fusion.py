"""Fewer nodes, the same numbers; what only looks like a pattern stays."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx

from kerastx_export.convert_onnx import convert
from kerastx_export.onnx_fusion import fuse
from kerastx_export.trace import input_specs, serving_function

ROWS = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
WIDE = "float[8] wide = {1.0, -2.0, 0.5, 3.0, -0.25, 1.5, -1.0, 2.0}"
TAIL = "int64[1] last = {-1}"


def run(model: onnx.ModelProto, inputs) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def graph(body: str, *constants: str, result: str = "float[R, S, U] y") -> onnx.ModelProto:
    """Return a graph that takes x (B, T) and has `states` (B, T, 8) to go on from."""
    return onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 18]>
        g (float[B, T] x) => ({result})
        <{", ".join([WIDE, TAIL, *constants])}>
        {{ column = Unsqueeze(x, last)
          states = Mul(column, wide)
          {body} }}"""
    )


def fused_operators(model: onnx.ModelProto) -> Counter:
    """Fuse, compare the numbers on two sizes, and return the operators that are left."""
    fused = fuse(model)
    for rows in (ROWS, ROWS[:1, :1]):
        for found, expected in zip(run(fused, {"x": rows}), run(model, {"x": rows}), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    return Counter(node.op_type for node in fused.graph.node)


LAYER_NORM = """
    mean = ReduceMean(states, {axes})
    centered = Sub(states, mean)
    square = Pow(centered, two)
    variance = ReduceMean(square, {axes})
    safe = Add(variance, epsilon)
    deviation = Sqrt(safe)
    normal = Div(centered, deviation)
    scaled = Mul(normal, wide)
    y = Add(scaled, wide)
"""


def test_a_layer_norm_becomes_one_node_with_its_epsilon():
    model = graph(LAYER_NORM.format(axes="last"), "float two = {2.0}", "float epsilon = {1e-3}")
    fused = fuse(model)
    (node,) = (node for node in fused.graph.node if node.op_type == "LayerNormalization")
    attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    assert attributes["axis"] == -1
    assert attributes["epsilon"] == pytest.approx(1e-3)
    assert fused_operators(model) == {"Unsqueeze": 1, "Mul": 1, "LayerNormalization": 1}


@pytest.mark.parametrize(("axes", "power"), [("middle", 2.0), ("last", 4.0)])
def test_a_norm_over_another_axis_or_power_stays(axes, power):
    constants = (f"float two = {{{power}}}", "float epsilon = {1e-3}", "int64[1] middle = {1}")
    found = fused_operators(graph(LAYER_NORM.format(axes=axes), *constants))
    assert (found["LayerNormalization"], found["ReduceMean"]) == (0, 2)


GELU = """
    half = Mul(states, point5)
    inner = Mul(states, root)
    error = Erf(inner)
    shifted = Add(error, one)
    y = Mul(half, shifted)
"""


def test_a_gelu_becomes_one_node():
    constants = ("float point5 = {0.5}", "float root = {0.70710678}", "float one = {1.0}")
    assert fused_operators(graph(GELU, *constants)) == {"Unsqueeze": 1, "Mul": 1, "Gelu": 1}


def test_what_only_looks_like_a_gelu_stays():
    constants = ("float point5 = {0.5}", "float root = {0.8}", "float one = {1.0}")
    found = fused_operators(graph(GELU, *constants))
    assert (found["Gelu"], found["Erf"]) == (0, 1)


KERNEL = f"float[8, 4] kernel = {{{', '.join(str(round(0.1 * (k % 7) - 0.3, 1)) for k in range(32))}}}"
FOLD = """
    sizes = Shape(states)
    leading = Slice(sizes, zero, two)
    folded = Reshape(states, flat)
"""
UNFOLD = """
    outer = Concat<axis = 0>(leading, {size})
    unfolded = Reshape({source}, outer)
    y = Abs(unfolded)
"""
INDICES = (
    "int64[1] zero = {0}",
    "int64[1] two = {2}",
    "int64[1] eight = {8}",
    "int64[1] four = {4}",
    "int64[2] flat = {-1, 8}",
)


def test_a_product_of_folded_rows_needs_no_folding():
    body = FOLD + "product = MatMul(folded, kernel)" + UNFOLD.format(source="product", size="four")
    assert fused_operators(graph(body, *INDICES, KERNEL)) == {"Unsqueeze": 1, "Mul": 1, "MatMul": 1, "Abs": 1}


@pytest.mark.parametrize(
    "middle",
    [
        "norm = ReduceMean<keepdims = 1>(folded, zero) product = Sub(folded, norm)",  # looks at other rows
        "product = Softmax<axis = 0>(folded)",
        "other = Relu(folded) product = MatMul(folded, square) again = Identity(folded)",
    ],
)
def test_rows_stay_folded_where_something_else_works_on_them(middle):
    square = f"float[8, 8] square = {{{', '.join(str(k % 5 - 2.0) for k in range(64))}}}"
    result = "float[R, S, U] y"
    if "again" in middle:
        result += ", float[M, N] again"  # the folded rows are an answer themselves
    body = FOLD + middle + UNFOLD.format(source="product", size="eight")
    assert fused_operators(graph(body, *INDICES, square, result=result))["Reshape"] == 2


@pytest.fixture(scope="module")
def steps(classifiers):
    checkpoint = classifiers["post-norm"]
    texts = ["One text.", "Another one that is a little longer than the first.", ""]
    return checkpoint.tokenizer.pad(checkpoint.tokenizer.encode_batch(texts))


@pytest.fixture(scope="module", params=["gelu", "gelu_tanh", "relu"])
def checkpoint(request, make_checkpoint):
    """A pre-norm classifier with each activation and an epsilon that can be seen."""
    return make_checkpoint(num_layers=1, norm="pre-norm", activation=request.param, epsilon=1e-3)


def test_a_classifier_keeps_its_numbers_in_half_the_nodes(checkpoint, steps):
    function = tf.function(serving_function(checkpoint.model, "classification"), input_signature=input_specs())
    plain, _ = tf2onnx.convert.from_function(function, input_signature=input_specs(), opset=18)
    fused = convert(checkpoint.model, "classification")
    for found, expected in zip(run(fused, steps), run(plain, steps), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    operators = Counter(node.op_type for node in fused.graph.node)
    assert len(fused.graph.node) < 0.5 * len(plain.graph.node)
    assert operators["LayerNormalization"] == 4  # of the embeddings, two in the block, the final one
    assert operators["Gelu"] == (checkpoint.config.activation != "relu")
    assert not operators.keys() & {"Erf", "Pow", "ReduceMean", "Sqrt", "Identity", "Less", "Not"}
    epsilons = [
        entry.f
        for node in fused.graph.node
        for entry in node.attribute
        if node.op_type == "LayerNormalization" and entry.name == "epsilon"
    ]
    assert epsilons == pytest.approx([1e-3] * 4)


@pytest.mark.parametrize(("norm", "norms"), [("post-norm", 5), ("pre-norm", 6)])
def test_an_exported_file_has_every_norm_and_gelu_in_one_node(exported, norm, norms):
    report, _ = exported(norm, "fp32")
    operators = report.files[1].operators
    assert (operators["LayerNormalization"], operators["Gelu"]) == (norms, 2)


def test_an_epsilon_of_1e12_is_not_taken_for_nothing(fp32_onnx):
    epsilons = [
        entry.f
        for node in fp32_onnx.graph.node
        for entry in node.attribute
        if node.op_type == "LayerNormalization" and entry.name == "epsilon"
    ]
    assert epsilons == pytest.approx([1e-12] * 5)
