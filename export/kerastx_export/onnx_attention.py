"""Attention in one node: no heads to transpose, no mask to add, and biases only where they change anything.

softmax does not see what is the same for every key, and that is q·b_k: the bias of the keys is left out. Its rows
add up to 1, so the bias b_v of the values passes through, to be added once, as b_v·W, to the bias behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

_HEADS_FIRST = [0, 2, 1, 3]
_KEYS_LAST = [0, 1, 3, 2]


@dataclass(frozen=True)
class _Heads:
    """xW + b of `num_heads` heads, laid out (B, N, T, H)."""

    states: ir.Value
    kernel: np.ndarray
    bias: np.ndarray
    num_heads: int


def fuse_attention(graph: ir.Graph) -> None:
    """Replace softmax(QKᵀ + M)V over heads by one Attention node, wherever it has exactly that form."""
    for node in list(graph):
        if node.op_type == "Softmax":
            _fuse_one(graph, node)


def _fuse_one(graph: ir.Graph, softmax: ir.Node) -> None:
    # Forward: ·V, heads last, merged to one row, ·W + b.
    context = _only_use(softmax.outputs[0], "MatMul")
    merged = context and _only_use(context.outputs[0], "Transpose", perm=_HEADS_FIRST)
    flat = merged and _only_use(merged.outputs[0], "Reshape")
    behind = flat and _only_use(flat.outputs[0], "MatMul")
    shifted = behind and _only_use(behind.outputs[0], "Add")
    # Backward: + M, QKᵀ, and where Q, K and V come from.
    masked = _made_by(softmax.inputs[0], "Add")
    scores, mask = (None, None) if masked is None else _split_sum(masked)
    keys = scores and _made_by(scores.inputs[1], "Transpose", perm=_KEYS_LAST)
    if not (context and flat and behind and shifted and scores and mask and keys):
        return
    kernel = _numbers(behind.inputs[1])
    bias = next((numbers for value in shifted.inputs if (numbers := _numbers(value)) is not None), None)
    query, key, value = (_heads(found) for found in (scores.inputs[0], keys.inputs[0], context.inputs[1]))
    if kernel is None or bias is None or query is None or key is None or value is None:
        return
    rows = _numbers(flat.inputs[1])
    if key.states is not value.states or rows is None:
        return
    is_folded = rows.tolist() == [-1, len(kernel)]
    if not is_folded and rows.tolist() != [0, 0, len(kernel)]:
        return
    if mask.shape is None or len(mask.shape) != 4 or mask.shape[1] != 1 or mask.shape[2] != 1:
        return

    new = _Nodes(graph, softmax)
    q = new("query", "MatMul", query.states, new.constant("query/kernel", query.kernel))
    q = new("query_bias", "Add", q, new.constant("query/bias", query.bias))
    k = new("key", "MatMul", key.states, new.constant("key/kernel", key.kernel))
    v = new("value", "MatMul", value.states, new.constant("value/kernel", value.kernel))
    # onnxruntime asks for a mask of as many rows as there are queries; equal nodes become one later.
    of = (mask, 3) if query.states is key.states else (query.states, 1)
    one = new.constant("one", np.array([1], np.int64))
    length = new("length", "Shape", of[0], start=of[1], end=of[1] + 1)
    shape = new("mask_shape", "Concat", one, one, length, one, axis=0)
    mask = new("mask", "Expand", mask, shape)
    heads = {"q_num_heads": query.num_heads, "kv_num_heads": key.num_heads, "scale": 1.0}
    result = new("attention", "Attention", q, k, v, mask, **heads)
    if is_folded:
        flat.replace_input_with(0, result)
    else:
        ir.convenience.replace_all_uses_with(flat.outputs[0], result)
    moved = bias + value.bias.astype(np.float64) @ kernel
    moved = new.constant("output/bias", moved.astype(np.float32))
    shifted.replace_input_with(0 if _numbers(shifted.inputs[0]) is not None else 1, moved)


def _heads(value: ir.Value) -> _Heads | None:
    """Return what a (B, N, T, H) is made of: one part of a split, or all, of the reshaped rows xW + b."""
    part, parts = 0, 1
    split = _made_by(value, "Split")
    if split is not None:
        if split.attributes.get_int("axis", 0) != 1 or (len(split.inputs) > 1 and split.inputs[1] is not None):
            return None
        part, parts = list(split.outputs).index(value), len(split.outputs)
        value = split.inputs[0]
    transposed = _made_by(value, "Transpose", perm=_HEADS_FIRST)
    reshaped = transposed and _made_by(transposed.inputs[0], "Reshape")
    added = reshaped and _made_by(reshaped.inputs[0], "Add")
    if not reshaped or not added:
        return None
    product, addend = _split_sum(added)
    if product is None:
        return None
    shape, bias, kernel = (_numbers(found) for found in (reshaped.inputs[1], addend, product.inputs[1]))
    if shape is None or bias is None or kernel is None or kernel.ndim != 2 or len(shape) != 4:
        return None
    if shape[0] != 0 or shape[1] != 0 or shape[2] % parts or shape[2] * shape[3] != kernel.shape[1]:
        return None
    width = kernel.shape[1] // parts
    columns = slice(part * width, (part + 1) * width)
    return _Heads(product.inputs[0], kernel[:, columns], bias[columns], int(shape[2]) // parts)


class _Nodes:
    """Puts new nodes and constants into a graph, before a node and named after its layer."""

    def __init__(self, graph: ir.Graph, before: ir.Node):
        self.graph = graph
        self.before = before
        self.layer = (before.name or "").rpartition("/")[0] or before.name

    def __call__(self, name: str, operator: str, *inputs: ir.Value, **attributes) -> ir.Value:
        name = f"{self.layer}/{name}"
        node = ir.node(operator, list(inputs), attributes, name=name)
        node.outputs[0].name = f"{name}:0"
        self.graph.insert_before(self.before, node)
        return node.outputs[0]

    def constant(self, name: str, values: np.ndarray) -> ir.Value:
        name = f"{self.layer}/{name}"
        value = ir.Value(name=name, const_value=ir.tensor(np.ascontiguousarray(values), name=name))
        self.graph.register_initializer(value)
        return value


def _split_sum(added: ir.Node) -> tuple[ir.Node | None, ir.Value | None]:
    """Return the product in a sum, and what is added to it."""
    for position, value in enumerate(added.inputs):
        product = _made_by(value, "MatMul")
        if product is not None:
            return product, added.inputs[1 - position]
    return None, None


def _made_by(value: ir.Value | None, operator: str, *, perm: list[int] | None = None) -> ir.Node | None:
    """Return the node that makes `value`, if it is of that kind."""
    node = None if value is None else value.producer()
    if node is None or node.op_type != operator or perm not in (None, _perm(node)):
        return None
    return node


def _only_use(value: ir.Value, operator: str, *, perm: list[int] | None = None) -> ir.Node | None:
    """Return the one node that takes `value` as its first input, or adds to it, if it is of that kind."""
    uses = list(value.uses())
    if len(uses) != 1 or value.is_graph_output() or uses[0].node.op_type != operator:
        return None
    node, position = uses[0]
    if (position and operator != "Add") or perm not in (None, _perm(node)):
        return None
    return node


def _perm(node: ir.Node) -> list[int] | None:
    found = node.attributes.get_ints("perm", None)
    return None if found is None else list(found)


def _numbers(value: ir.Value | None) -> np.ndarray | None:
    return None if value is None or value.const_value is None else value.const_value.numpy()
