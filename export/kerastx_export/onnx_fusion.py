"""Rewrites of the ONNX graph that tf2onnx makes: the same numbers from a third of the nodes.

tf2onnx spells a layer norm in 9 nodes, a gelu in 5, every embedding lookup in 10 (Keras wraps negative ids) and
surrounds each product with shape arithmetic. ONNX has one node for each of the first three and needs none of the
last. onnxscript's own optimizer is not used: it takes adding an epsilon of 1e-12 for adding nothing, and drops it.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common as passes
from onnxscript.rewriter import pattern

from kerastx_export.onnx_attention import fuse_attention

OPSET = 23  # the first with Attention
IR_VERSION = 11  # the one that belongs to opset 23

_ROWWISE = {"Add", "Sub", "Mul", "Div"}
_UNARY = {"Gelu", "Relu", "Tanh", "Erf"}


def fuse(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` at opset 23 with LayerNormalization, Gelu and Attention nodes and without shape arithmetic."""
    graph_model = ir.from_proto(raised(model))
    pattern.RewriteRuleSet(_RULES, commute=True).apply_to_model(graph_model)
    clean(graph_model)
    graph_model = ir.from_proto(_with_shapes(ir.to_proto(graph_model)))
    for node in list(graph_model.graph):
        if node.op_type == "Reshape":
            _keep_rank_3(node)
    clean(graph_model)
    fuse_attention(graph_model.graph)
    clean(graph_model)
    fused = ir.to_proto(graph_model)
    # The shapes noted along the way no longer hold.
    del fused.graph.value_info[:]
    return fused


def raised(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of what tf2onnx wrote, at opset 23."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    # No operator that tf2onnx writes here changed its meaning between opset 18 and 23; the checker looks again.
    del copy.opset_import[:]
    copy.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    copy.ir_version = IR_VERSION
    return copy


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Note the shape of every tensor in the letters of the inputs' sizes."""
    del model.graph.value_info[:]
    name_sizes(model)
    # Inference cannot follow the length into the positions 0 ... T-1 that are looked up.
    for node in model.graph.node:
        if node.op_type == "Range":
            model.graph.value_info.append(
                onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.INT32, ["T"])
            )
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def name_sizes(model: onnx.ModelProto) -> None:
    """Give open sizes letters: B rows of T tokens; of a cache S slots, of sources R tokens."""
    for tensor in (*model.graph.input, *model.graph.output):
        kind = tensor.name.removeprefix("new_").split("_")[0]
        last = {"cached": "S", "key": "S", "value": "S", "source": "R"}.get(kind, "T")
        if tensor.name.startswith("new_"):
            last = "S_new"  # equal letters are equal sizes
        letters = ("B", "N", last, "H") if len(tensor.type.tensor_type.shape.dim) == 4 else ("B", last)
        for size, letter in zip(tensor.type.tensor_type.shape.dim, letters, strict=False):
            if not size.dim_value:
                size.dim_param = letter


def _layer_norm(op, x, axes, two, epsilon, gamma, beta):
    centered = op.Sub(x, op.ReduceMean(x, axes))
    variance = op.ReduceMean(op.Pow(centered, two), axes)
    return op.Add(op.Mul(op.Div(centered, op.Sqrt(op.Add(variance, epsilon))), gamma), beta)


def _is_layer_norm(context, axes, two, epsilon, **_) -> bool:
    return _constant(axes) == [-1] and _constant(two) == 2.0 and isinstance(_constant(epsilon), float)


def _one_layer_norm(op, x, epsilon, gamma, beta, **_):
    return op.LayerNormalization(x, gamma, beta, axis=-1, epsilon=_constant(epsilon))


def _gelu(op, x):
    return op.Mul(op.Mul(x, 0.5), op.Add(op.Erf(op.Mul(x, math.sqrt(0.5))), 1.0))


def _one_gelu(op, x):
    return op.Gelu(x)


def _gelu_tanh(op, x):
    cubic = op.Add(x, op.Mul(op.Pow(x, 3.0), 0.044715))
    return op.Mul(op.Mul(x, 0.5), op.Add(op.Tanh(op.Mul(cubic, math.sqrt(2 / math.pi))), 1.0))


def _one_gelu_tanh(op, x):
    return op.Gelu(x, approximate="tanh")


def _wrapped_index(op, index, size):
    """`where(index < 0, index + size, index)` as tf2onnx writes it for integers."""
    negative = op.Less(op.Cast(index, to=onnx.TensorProto.FLOAT), 0.0)
    wrapped = op.Mul(op.Cast(negative, to=onnx.TensorProto.INT32), op.Add(index, size))
    return op.Add(wrapped, op.Mul(index, op.Cast(op.Not(negative), to=onnx.TensorProto.INT32)))


def _plain_index(op, index, **_):
    # Gather counts negative indices from the end by itself.
    return op.Identity(index)


PLAIN_INDEX = pattern.RewriteRule(_wrapped_index, _plain_index)
_RULES = [
    pattern.RewriteRule(_layer_norm, _one_layer_norm, _is_layer_norm),
    pattern.RewriteRule(_gelu, _one_gelu),
    pattern.RewriteRule(_gelu_tanh, _one_gelu_tanh),
    PLAIN_INDEX,
]


def _keep_rank_3(fold: ir.Node) -> None:
    """Take a fold of (B, T, ...) to (B·T, D), and the unfolds that follow it, out of the graph.

    ONNX products take any number of leading axes, so the rows need no folding. Nothing changes unless
    everything between the fold and its unfolds works on the last axis alone.
    """
    source, folded = fold.inputs[0], fold.outputs[0]
    if source is None or source.shape is None or len(source.shape) < 3 or not _is_fold(source, folded):
        return
    region = _rowwise_region(folded, tuple(source.shape[:2]))
    if region is None:
        return
    for node in region:
        if node.op_type == "Split":
            node.attributes["axis"] = ir.AttrInt64("axis", -1)
        elif node.op_type == "Reshape":
            _leave_leading_axes(node, was_rank_3=True)
    _leave_leading_axes(fold, was_rank_3=len(source.shape) == 3)


def _is_fold(source: ir.Value, folded: ir.Value) -> bool:
    inner, shape = list(source.shape[2:]), folded.shape
    return (
        shape is not None
        and len(shape) == 2
        and all(isinstance(size, int) for size in inner)
        and shape[1] == math.prod(inner)
        and not isinstance(shape[0], int)
    )


def _rowwise_region(folded: ir.Value, leading: tuple) -> list[ir.Node] | None:
    """Return the nodes from `folded` to its unfolds to (*leading, ...), or None if another kind is among them."""
    region: dict[ir.Node, None] = {}
    pending = [folded]
    while pending:
        value = pending.pop()
        if value.is_graph_output():
            return None
        for node, position in value.uses():
            if node in region:
                continue
            if node.op_type == "Reshape" and position == 0:
                shape = node.outputs[0].shape
                if shape is None or len(shape) < 3 or tuple(shape[:2]) != leading:
                    return None
                if not all(isinstance(size, int) for size in shape[2:]):
                    return None
            elif _works_on_last_axis(node, position):
                pending.extend(node.outputs)
            else:
                return None
            region[node] = None
    return list(region)


def _works_on_last_axis(node: ir.Node, position: int) -> bool:
    if node.op_type in _UNARY:
        return True
    if node.op_type == "Split":
        axis = node.attributes.get_int("axis", 0)
        return position == 0 and axis in (1, -1)
    other = node.inputs[1 - position] if len(node.inputs) == 2 else None
    if other is None or other.const_value is None:
        return False
    rank = len(other.const_value.shape)
    return (node.op_type in _ROWWISE and rank <= 1) or (node.op_type == "MatMul" and position == 0 and rank == 2)


def _leave_leading_axes(reshape: ir.Node, *, was_rank_3: bool) -> None:
    """Make a Reshape keep its first two axes; drop it where nothing is left to do."""
    source, target = reshape.inputs[0], reshape.outputs[0]
    inner = list(target.shape[1 if len(target.shape) == 2 else 2 :])
    if was_rank_3 and len(inner) == 1:
        if len(target.shape) > 2:  # what was folded no longer is: a fold behind it is to know
            source.shape = target.shape
        ir.convenience.replace_all_uses_with(target, source)
        return
    name = f"{target.name}/keep_rows"
    shape = ir.Value(name=name, const_value=ir.tensor(np.array([0, 0, *inner], np.int64), name=name))
    reshape.graph.register_initializer(shape)
    reshape.replace_input_with(1, shape)


def clean(model: ir.Model) -> None:
    """Take out what is there twice, and what nobody reads."""
    for clean in (
        passes.IdentityEliminationPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.DeduplicateHashedInitializersPass(),  # of any size: blocks may share their weights
        passes.RemoveUnusedNodesPass(),
        passes.RemoveUnusedOpsetsPass(),
    ):
        clean(model)


def _constant(value: ir.Value):
    """Return the numbers of a constant: a list, or one number; None for anything that is computed."""
    return None if value.const_value is None else value.const_value.numpy().tolist()
