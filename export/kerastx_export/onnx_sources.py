"""The encoder in the graph of a step: one .onnx reads sources and writes targets, what they share in it once.

ONNX has no functions to call by name, as a .tflite has signatures. So the graph has an `If`: where source_token_ids
have an element it answers the keys and values that every step takes of sources; where they have none the encoder does
not run, and empty ones are answered. The step runs in either case.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kerastx.runtime.step_names import ENCODE_INPUTS, SOURCE_IDS, new
from kerastx_export.onnx_tied_tables import fingerprint

_PREFIX = "encode/"


def with_encoder(step: onnx.ModelProto, encode: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph of a step that encodes as well.

    Args:
        step: takes source_padding_mask, and the keys and values of sources, beside its own inputs.
        encode: of source_token_ids and source_padding_mask, to those keys and values by the same names.
    """
    answered = list(encode.graph.output)
    branches = {"then_branch": _reading(step, encode), "else_branch": _idle(answered)}
    nodes = [
        helper.make_node("Size", [SOURCE_IDS], ["sources/size"], name="sources/size"),
        helper.make_node("Cast", ["sources/size"], ["sources/given"], name="sources/given", to=TensorProto.BOOL),
        helper.make_node("If", ["sources/given"], [new(one.name) for one in answered], name="sources", **branches),
    ]
    graph = helper.make_graph(
        [*nodes, *step.graph.node],
        step.graph.name,
        [*step.graph.input, helper.make_tensor_value_info(SOURCE_IDS, TensorProto.INT32, ["B_read", "R_read"])],
        [*step.graph.output, *map(_output, answered)],
        step.graph.initializer,
    )
    found = helper.make_model(graph, opset_imports=step.opset_import, ir_version=step.ir_version)
    found.producer_name = step.producer_name
    return found


def _reading(step: onnx.ModelProto, encode: onnx.ModelProto) -> onnx.GraphProto:
    """Return the encoder as a branch, under names of its own; constants that the step has too are the step's."""
    own = {fingerprint(numpy_helper.to_array(tensor)): tensor.name for tensor in step.graph.initializer}
    names = {name: name for name in ENCODE_INPUTS} | {"": ""}
    constants = []
    for tensor in encode.graph.initializer:
        shared = own.get(fingerprint(numpy_helper.to_array(tensor)))
        names[tensor.name] = shared or f"{_PREFIX}{tensor.name}"
        if shared is None:
            constants.append(onnx.TensorProto())
            constants[-1].CopyFrom(tensor)
            constants[-1].name = names[tensor.name]
    nodes = []
    for node in encode.graph.node:
        nodes.append(onnx.NodeProto())
        nodes[-1].CopyFrom(node)
        nodes[-1].name = f"{_PREFIX}{node.name}"
        nodes[-1].input[:] = [names.get(name, f"{_PREFIX}{name}") for name in node.input]
        nodes[-1].output[:] = [f"{_PREFIX}{name}" if name else "" for name in node.output]
    outputs = [_named(tensor, f"{_PREFIX}{tensor.name}") for tensor in encode.graph.output]
    return helper.make_graph(nodes, "encode", [], outputs, constants)


def _idle(answered: list[onnx.ValueInfoProto]) -> onnx.GraphProto:
    """Return the branch of no sources: empty keys and values."""
    nodes, outputs = [], []
    for tensor in answered:
        sizes = [size.dim_value for size in tensor.type.tensor_type.shape.dim]
        nothing = numpy_helper.from_array(np.zeros(sizes, np.float32))
        outputs.append(helper.make_tensor_value_info(f"none/{tensor.name}", TensorProto.FLOAT, sizes))
        nodes.append(helper.make_node("Constant", [], [outputs[-1].name], name=outputs[-1].name, value=nothing))
    return helper.make_graph(nodes, "no_sources", [], outputs)


def _output(tensor: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    output = _named(tensor, new(tensor.name))
    rows, _, length, _ = output.type.tensor_type.shape.dim
    rows.dim_param, length.dim_param = "B_read", "R_read"
    return output


def _named(tensor: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy
