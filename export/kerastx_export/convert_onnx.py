"""Keras model -> ONNX model of fp32 weights, standard operators only."""

from __future__ import annotations

import contextlib
import logging
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
import onnx
import tensorflow as tf
import tf2onnx

from kerastx.errors import ExportError
from kerastx.runtime.results import OUTPUTS
from kerastx_export import onnx_fusion
from kerastx_export.layer_names import layer_of
from kerastx_export.signature import INPUTS
from kerastx_export.trace import input_specs, serving_function

# The newest that tf2onnx writes; the fusion raises it.
TF2ONNX_OPSET = 18
STANDARD_DOMAINS = ("", "ai.onnx")
SMALL_CONSTANT = 8  # elements of what is no weight: shapes, axes, factors
_NUMBERED = re.compile(r"__(\d+)")


def convert(model: keras.Model, task: str) -> onnx.ModelProto:
    """Return `model` as a checked ONNX model with its norms and gelus in single nodes.

    Raises:
        ExportError: an operator has no ONNX form; its name and the Keras layer are in the message.
    """
    function = tf.function(serving_function(model, task), input_signature=input_specs())
    fused = convert_function(function, input_specs(), name=model.name)
    onnx_fusion.name_sizes(fused)
    renumber(fused)
    check(fused, task)
    return fused


def convert_function(function: Any, specs: list[tf.TensorSpec], *, name: str) -> onnx.ModelProto:
    """Return a function of tensors as an ONNX model; for the error see `convert`."""
    with quiet_tf2onnx():
        proto, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=TF2ONNX_OPSET)
    check_standard(proto)
    fused = onnx_fusion.fuse(proto)
    fused.producer_name = "kerastx"
    fused.producer_version = ""
    fused.graph.name = name
    fused.graph.doc_string = fused.doc_string = ""
    return fused


def check(model: onnx.ModelProto, task: str) -> None:
    """Raise ExportError unless `model` has our inputs and outputs, standard operators, and the checker agrees."""
    check_standard(model)
    for side, tensors, names in (
        ("inputs", model.graph.input, tuple(INPUTS)),
        ("outputs", model.graph.output, OUTPUTS[task]),
    ):
        found = tuple(tensor.name for tensor in tensors)
        if found != names:
            raise ExportError(f"the ONNX graph has the {side} {found}, expected {names}")
    check_model(model)


def check_model(model: onnx.ModelProto) -> None:
    """Raise ExportError unless the checker of ONNX agrees."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the ONNX checker refuses the graph: {' '.join(str(error).split())}") from error


def check_standard(model: onnx.ModelProto) -> None:
    """Raise ExportError that names the operator and layer of the first node outside the ONNX standard."""
    for node in (node for graph in graphs(model.graph) for node in graph.node):
        if node.domain not in STANDARD_DOMAINS or not onnx.defs.has(node.op_type):
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise ExportError(
                f"the operator {name} of the layer {layer_of(node.name)!r} is not part of the ONNX standard"
            )


def operators(model: onnx.ModelProto) -> dict[str, int]:
    """Return operator -> how many nodes, most frequent first."""
    return dict(Counter(node.op_type for graph in graphs(model.graph) for node in graph.node).most_common())


def renumber(model: onnx.ModelProto) -> None:
    """Give names that do not depend on what the process converted before, so that the size of a file does not.

    tf2onnx counts names through a whole process, and of equal small constants it keeps any one. Both are numbered
    anew, in order of appearance.
    """
    small = {tensor.name for tensor in model.graph.initializer if math.prod(tensor.dims) <= SMALL_CONSTANT}
    numbers: dict[str, int] = {}

    def number(key: str) -> int:
        return numbers.setdefault(key, len(numbers) + 1)

    def renamed(name: str) -> str:
        if name in small:
            return f"constant__{number(name)}"
        return _NUMBERED.sub(lambda found: f"__{number(found[1])}", name)

    for graph in graphs(model.graph):
        for node in graph.node:
            node.name = renamed(node.name)
            node.input[:] = [renamed(name) for name in node.input]
            node.output[:] = [renamed(name) for name in node.output]
        inner = () if graph is model.graph else (*graph.input, *graph.output)
        for tensor in (*graph.initializer, *graph.value_info, *inner):
            tensor.name = renamed(tensor.name)


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and those inside of its nodes: bodies of loops, branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)


@contextlib.contextmanager
def quiet_tf2onnx() -> Iterator[None]:
    """Say nothing while tf2onnx converts."""
    # It logs what it cannot convert and goes on; `check_standard` raises instead.
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
