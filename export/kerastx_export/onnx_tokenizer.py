"""A tokenizer made of tensor operations -> ONNX graph, without what tf2onnx adds to whole numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import tensorflow as tf
import tf2onnx
from onnxscript.rewriter import pattern

from kerastx_export.convert_onnx import TF2ONNX_OPSET, check_standard, graphs, quiet_tf2onnx, renumber
from kerastx_export.onnx_fusion import PLAIN_INDEX, clean, raised
from kerastx_export.signature import INPUTS
from kerastx_export.text_input import TextInput

# What the graph answers.
TOKENS = (*INPUTS, "begins", "ends", "is_cut")


def tokenizer_graph(text: TextInput) -> onnx.ModelProto:
    """Return the tokenizer of any number of texts, each of any length; its answers are as long as the longest.

    Inputs uint8 (B, N) as `text` names them. Outputs TOKENS: int32 or bool (B, T), `is_cut` bool (B, 1), which is also
    true where more bytes than the budget came.
    """
    return _converted(text.trimmed, text.specs(None, size=None))


def padded_tokenizer_graph(text: TextInput) -> onnx.ModelProto:
    """Return the tokenizer of any number of texts with zeros behind them, as a .tflite has it.

    Inputs uint8 (B, budget) as `text` names them. Outputs TOKENIZED, int32 or bool (B, L) or (B, 1).
    """
    return _converted(text.padded, text.specs(None, size=text.budget))


def _converted(answer: Callable[..., dict[str, tf.Tensor]], specs: list[tf.TensorSpec]) -> onnx.ModelProto:
    function = tf.function(answer, input_signature=specs)
    with quiet_tf2onnx():
        proto, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=TF2ONNX_OPSET)
    check_standard(proto)
    graph = ir.from_proto(raised(proto))
    for rules in ([PLAIN_INDEX, _WHERE], [_PICK]):
        pattern.RewriteRuleSet(rules, commute=True).apply_to_model(graph)
        clean(graph)
    for node in list(graph.graph):
        if node.op_type in ("Less", "Greater"):
            _compare_whole_numbers(node)
    clean(graph)
    found = ir.to_proto(graph)
    for part in graphs(found.graph):
        _drop_unused_constants(part)
    renumber(found)
    return found


def _cast_where(op, condition, yes, no):
    """`where(condition, yes, no)` as tf2onnx writes it for integers."""
    chosen = op.Mul(op.Cast(condition, to=onnx.TensorProto.INT32), yes)
    return op.Add(chosen, op.Mul(no, op.Cast(op.Not(condition), to=onnx.TensorProto.INT32)))


def _where(op, condition, yes, no):
    return op.Where(condition, yes, no)


def _flat_pick(op, values, index, row, size, flat):
    """`kerastx.layers.gathering.pick` of several rows: the rows laid end to end."""
    return op.Gather(op.Reshape(values, flat), op.Add(index, op.Mul(row, size)), axis=0)


def _pick(op, values, index, **_):
    return op.GatherElements(values, index, axis=1)


_WHERE = pattern.RewriteRule(_cast_where, _where)
_PICK = pattern.RewriteRule(_flat_pick, _pick)


def _compare_whole_numbers(node: ir.Node) -> None:
    """Take out the casts to floats that tf2onnx puts before comparing integers: floats do not hold all of them."""
    sources = [_whole_number(value) for value in node.inputs]
    for place, source in enumerate(sources):
        if None not in sources:
            node.replace_input_with(place, source)


def _whole_number(value: ir.Value) -> ir.Value | None:
    """Return the integers that were cast to `value`, or those of a constant; None for other floats."""
    cast = value.producer()
    if cast is not None:
        is_cast = cast.op_type == "Cast" and cast.attributes.get_int("to", 0) == onnx.TensorProto.FLOAT
        return cast.inputs[0] if is_cast else None
    if value.const_value is None or value.dtype != ir.DataType.FLOAT:
        return None
    numbers = value.const_value.numpy()
    whole = ir.Value(name=f"{value.name}/int32", const_value=ir.tensor(numbers.astype(np.int32)))
    whole.const_value.name = whole.name
    if not (whole.const_value.numpy() == numbers).all():
        return None
    if whole.name not in value.graph.initializers:
        value.graph.register_initializer(whole)
    return value.graph.initializers[whole.name]


def _drop_unused_constants(graph: onnx.GraphProto) -> None:
    """tf2onnx and the rules leave some in the bodies of loops, of which onnxruntime warns."""
    used = {name for part in graphs(graph) for node in part.node for name in node.input}
    used |= {tensor.name for part in graphs(graph) for tensor in part.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(kept)
