"""A graph as a branch of another one: it runs where it is given something.

ONNX has no functions to call by name, as a .tflite has signatures. So there is an `If`: where an input of the branch
has an element the branch runs, and where it has none, as by default, empty tensors are answered. The rest runs in
either case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kerastx_export.onnx_tied_tables import fingerprint


def with_branch(
    model: onnx.ModelProto,
    branch: onnx.ModelProto,
    *,
    name: str,
    given: onnx.ValueInfoProto,
    answers: Sequence[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """Return the graph of `model` with another one in it; constants that both have are there once.

    Args:
        model: runs always.
        branch: takes `given`, and inputs of `model` by their names.
        name: of the branch; nothing in `model` is called "NAME/...".
        given: the input on whose size it depends whether the branch runs; it need not be given.
        answers: what becomes of each output of the branch; sizes that are open are 0 where it does not run.
    """
    size, is_given = f"{name}/size", f"{name}/given"
    branches = {"then_branch": _running(model, branch, name), "else_branch": _idle(answers, name)}
    nodes = [
        helper.make_node("Size", [given.name], [size], name=size),
        helper.make_node("Cast", [size], [is_given], name=is_given, to=TensorProto.BOOL),
        helper.make_node("If", [is_given], [one.name for one in answers], name=name, **branches),
    ]
    nothing = helper.make_tensor(given.name, given.type.tensor_type.elem_type, _sizes(given), [])
    graph = helper.make_graph(
        [*nodes, *model.graph.node],
        model.graph.name,
        [*model.graph.input, given],
        [*model.graph.output, *answers],
        [nothing, *model.graph.initializer],
    )
    found = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    found.producer_name = model.producer_name
    return found


def named(tensor: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    """Return the same type under another name."""
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy


def _running(model: onnx.ModelProto, branch: onnx.ModelProto, prefix: str) -> onnx.GraphProto:
    """Return the branch under names of its own; constants that the model has too are the model's."""
    own = {fingerprint(numpy_helper.to_array(tensor)): tensor.name for tensor in model.graph.initializer}
    names = {tensor.name: tensor.name for tensor in branch.graph.input} | {"": ""}
    constants = []
    for tensor in branch.graph.initializer:
        shared = own.get(fingerprint(numpy_helper.to_array(tensor)))
        names[tensor.name] = shared or f"{prefix}/{tensor.name}"
        if shared is None:
            constants.append(TensorProto())
            constants[-1].CopyFrom(tensor)
            constants[-1].name = names[tensor.name]
    nodes = _renamed(branch.graph.node, lambda name: names.get(name, f"{prefix}/{name}"))
    outputs = [named(tensor, f"{prefix}/{tensor.name}") for tensor in branch.graph.output]
    return helper.make_graph(nodes, prefix, [], outputs, constants)


def _renamed(nodes: Iterable[onnx.NodeProto], rename: Callable[[str], str]) -> list[onnx.NodeProto]:
    """Return copies of nodes, and of the bodies of loops in them, with the names of all tensors changed."""
    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = rename(node.name)
        copy.input[:], copy.output[:] = map(rename, node.input), map(rename, node.output)
        for body in (attribute.g for attribute in copy.attribute if attribute.type == onnx.AttributeProto.GRAPH):
            inner = _renamed(body.node, rename)
            del body.node[:]
            body.node.extend(inner)
            for tensor in (*body.input, *body.output, *body.initializer, *body.value_info):
                tensor.name = rename(tensor.name)
        copies.append(copy)
    return copies


def _idle(answers: Sequence[onnx.ValueInfoProto], prefix: str) -> onnx.GraphProto:
    """Return the branch that answers empty tensors."""
    nodes, outputs = [], []
    for answer in answers:
        kind, sizes = answer.type.tensor_type.elem_type, _sizes(answer)
        nothing = numpy_helper.from_array(np.zeros(sizes, helper.tensor_dtype_to_np_dtype(kind)))
        outputs.append(helper.make_tensor_value_info(f"{prefix}/no_{answer.name}", kind, sizes))
        nodes.append(helper.make_node("Constant", [], [outputs[-1].name], name=outputs[-1].name, value=nothing))
    return helper.make_graph(nodes, f"no_{prefix}", [], outputs)


def _sizes(tensor: onnx.ValueInfoProto) -> list[int]:
    """Return the shape of a tensor, 0 where it is open."""
    return [size.dim_value for size in tensor.type.tensor_type.shape.dim]
