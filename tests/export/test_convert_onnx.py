"""A graph that an ONNX runtime could not take as it is does not leave the converter."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from kerastx.errors import ExportError
from kerastx_export.convert_onnx import check, check_standard, operators


@pytest.fixture
def model(fp32_onnx) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(fp32_onnx)
    return copy


def test_an_exported_graph_passes(model):
    check(model, "classification")
    assert model.producer_name == "kerastx"
    assert model.graph.name == "classifier"


def test_operators_are_counted_most_frequent_first(model):
    found = operators(model)
    assert sum(found.values()) == len(model.graph.node)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert found["Attention"] == 2  # one a layer
    assert found["Softmax"] == 1  # the probabilities


def test_another_domain_is_named_with_its_layer(model):
    node = next(node for node in model.graph.node if node.op_type == "MatMul")
    node.domain = "com.microsoft"
    layer = r"encoder_block_0/attention"
    with pytest.raises(ExportError, match=rf"operator com.microsoft.MatMul of the layer '{layer}' is not part of the"):
        check_standard(model)


def test_an_unknown_operator_is_named_with_its_layer():
    node = helper.make_node("Erfinv", ["x"], ["y"], name="classifier_1/odd_layer_1/Erfinv")
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", tensors[:1], tensors[1:]))
    with pytest.raises(ExportError, match=r"^the operator Erfinv of the layer 'odd_layer' is not part of the ONNX st"):
        check_standard(model)


def test_other_inputs_and_outputs_are_named(model):
    model.graph.output[1].name = "softmax"
    message = r"the outputs \('logits', 'softmax'\), expected \('logits', 'probabilities'\)$"
    with pytest.raises(ExportError, match=message):
        check(model, "classification")
    del model.graph.input[2]
    with pytest.raises(ExportError, match=r"the inputs \('token_ids', 'segment_ids'\), expected \('token_ids', "):
        check(model, "classification")


def test_a_graph_that_the_checker_refuses_is_told_in_one_line(model):
    model.graph.node[-1].input[0] = "nowhere"
    with pytest.raises(ExportError, match=r"^the ONNX checker refuses the graph: [^\n]*nowhere[^\n]*$"):
        check(model, "classification")


def test_shapes_that_cannot_be_are_refused(model):
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
    with pytest.raises(
        ExportError, match=r"^the ONNX checker refuses the graph: [^\n]*shape differ in dimension 1: \(3\) vs \(4\)"
    ):
        check(model, "classification")
