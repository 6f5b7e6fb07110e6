"""A table that is looked up in and multiplied with, in an ONNX graph: once in the file, not twice.

A lookup wants a row for each token, and a product a column. In 32 and 16 bits the product takes the rows, as Gemm can
turn them; in 8 bits the lookup takes the columns, see `kerastx_export.quantize_onnx`, as MatMulInteger cannot.
"""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

_TOKENS = "tied/tokens"  # the axis


def multiply_with_rows(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph of a step in which the product with a table that is looked up in takes that one."""
    found = onnx.ModelProto()
    found.CopyFrom(model)
    graph = found.graph
    turned = turned_tables(model)
    nodes, replaced = [], set()
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in turned:
            nodes += _turned_product(node, turned[node.input[1]])
            replaced.add(node.input[1])
        else:
            nodes.append(node)
    if not replaced:
        return model
    kept = [tensor for tensor in graph.initializer if tensor.name not in replaced]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, numpy_helper.from_array(np.array([1]), _TOKENS)])
    return found


def turned_tables(model: onnx.ModelProto) -> dict[str, str]:
    """Return the names of matrices that products take -> of the tables they are, turned, which are looked up in."""
    arrays = matrices(model)
    looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"} & set(arrays)
    tables = {fingerprint(arrays[name]): name for name in looked_up}
    products = {node.input[1] for node in model.graph.node if node.op_type == "MatMul"} & set(arrays)
    found = {name: tables.get(fingerprint(arrays[name].T)) for name in products}
    return {name: table for name, table in found.items() if table is not None}


def matrices(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return the constant float32 matrices of a graph by name."""
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2
    }


def fingerprint(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    """Return what equal arrays have in common, and others do not."""
    return array.dtype.str, array.shape, hashlib.sha256(np.ascontiguousarray(array).data).digest()


def _turned_product(node: onnx.NodeProto, table: str) -> list[onnx.NodeProto]:
    """Return x·Eᵀ of the state of one token, (B, 1, D), and of (V, D): Gemm knows matrices only."""
    state, row, result = node.input[0], f"{node.name}/row", f"{node.name}/result"
    return [
        helper.make_node("Squeeze", [state, _TOKENS], [row], name=row),
        helper.make_node("Gemm", [row, table], [result], name=node.name, transB=1),
        helper.make_node("Unsqueeze", [result, _TOKENS], [node.output[0]], name=result),
    ]
