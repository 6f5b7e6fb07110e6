"""Reading a .tflite file, and packing it again without changing what it computes."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow.lite.python import schema_py_generated as schema

from kerastx.runtime.results import OUTPUTS
from kerastx_export.signature import INPUTS
from kerastx_export.tflite_graph import TfliteGraph


@pytest.fixture
def repacked(fp32_tflite) -> bytes:
    return TfliteGraph(fp32_tflite).with_metadata("NOTES", b"some notes", description="mine")


def answers(content: bytes, inputs) -> dict[str, np.ndarray]:
    return Interpreter(model_content=content).get_signature_runner("classification")(**inputs)


def test_operators_are_those_that_the_interpreter_runs(fp32_tflite):
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=fp32_tflite, experimental_op_resolver_type=resolver)
    names = [operator["op_name"] for operator in interpreter._get_ops_details()]
    graph = TfliteGraph(fp32_tflite)
    assert graph.operators == {name: names.count(name) for name in names}
    assert graph.operators["GELU"] == 2  # a code above 127
    assert list(graph.operators.values()) == sorted(graph.operators.values(), reverse=True)


def test_custom_operators_are_marked():
    model = schema.ModelT()
    code = schema.OperatorCodeT()
    code.builtinCode, code.customCode = schema.BuiltinOperator.CUSTOM, "FlexErfinv"
    operator, subgraph = schema.OperatorT(), schema.SubGraphT()
    operator.opcodeIndex = 0
    subgraph.operators, subgraph.tensors = [operator, operator], []
    model.operatorCodes, model.subgraphs, model.buffers = [code], [subgraph], []
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    assert TfliteGraph(bytes(builder.Output())).operators == {"custom:FlexErfinv": 2}


@pytest.mark.parametrize(("recipe", "dtype"), [("fp16", "float16"), ("dynamic_wi8_afp32", "int8")])
def test_constants_are_those_of_the_interpreter(exported, recipe, dtype):
    content = (exported("post-norm", recipe)[1] / f"classification-{recipe}.tflite").read_bytes()
    constants = [constant for constant in TfliteGraph(content).constants if constant.size >= 1024]
    shapes = [constant.shape for constant in constants if constant.dtype == dtype]
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    expected = [
        tuple(detail["shape"].tolist())
        for detail in interpreter.get_tensor_details()
        # Smaller ones are activations that the interpreter quantizes on the fly.
        if detail["dtype"] == np.dtype(dtype) and np.prod(detail["shape"]) >= 1024
    ]
    assert set(shapes) == set(expected)
    assert len(shapes) >= 11


def test_tensor_names_are_those_of_the_signature(fp32_tflite):
    inputs, outputs = TfliteGraph(fp32_tflite).tensor_names()
    assert (sorted(inputs), sorted(outputs)) == (sorted(INPUTS), sorted(OUTPUTS["classification"]))
    interpreter = Interpreter(model_content=fp32_tflite)
    details = interpreter.get_signature_runner("classification").get_input_details()
    assert [details[name]["index"] for name in inputs] == [
        detail["index"] for detail in interpreter.get_input_details()
    ]


def test_repacking_adds_the_metadata_and_changes_no_answer(classifiers, fp32_tflite, repacked):
    model = schema.Model.GetRootAs(repacked, 0)
    entries = {model.Metadata(k).Name(): model.Metadata(k).Buffer() for k in range(model.MetadataLength())}
    assert model.Buffers(entries[b"NOTES"]).DataAsNumpy().tobytes() == b"some notes"
    assert b"TFLITE_METADATA" in entries  # what was there stays
    assert model.Description() == b"mine"
    tokenizer = classifiers["post-norm"].tokenizer
    inputs = tokenizer.pad(tokenizer.encode_batch(["One text.", "And a second, longer one."]))
    before, after = answers(fp32_tflite, inputs), answers(repacked, inputs)
    for name in OUTPUTS["classification"]:
        np.testing.assert_array_equal(after[name], before[name])


def test_data_stands_on_16_bytes(repacked, fp32_tflite):
    for content in (repacked, fp32_tflite):
        model = schema.Model.GetRootAs(content, 0)
        starts = []
        for index in range(model.BuffersLength()):
            table = model.Buffers(index)._tab
            if field := table.Offset(4):
                starts.append(table.Vector(field))
        assert len(starts) > 20
        assert [start % 16 for start in starts] == [0] * len(starts)
