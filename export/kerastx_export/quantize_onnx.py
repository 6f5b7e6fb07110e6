"""Smaller weights in an ONNX graph, with standard operators only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kerastx.errors import ExportError
from kerastx_export.onnx_tied_tables import fingerprint, matrices, turned_tables

# As in TFLite: below this, scales would cost more than they save.
MIN_ELEMENTS = 1024
_ZERO = 128
_LEVELS = 127
# Smallest peak of a row of activations that is divided by.
_TINY = 1e-12
# No gelu, exact or tanh, goes lower than this below zero, so most of the 256 values are for what is above. A row that
# reaches _GELU_FLOOR, as nearly all do, has steps half as large as with as many values on both sides.
_GELU_DEPTH = 0.1701
_GELU_ZERO = 32
_GELU_LEVELS = 255 - _GELU_ZERO
_GELU_FLOOR = _GELU_DEPTH * _GELU_LEVELS / _GELU_ZERO


def quantize_int8(model: onnx.ModelProto, *, products: Iterable[np.ndarray] = ()) -> onnx.ModelProto:
    """Return `model` with every large matrix in int8: products scaled per column, tables per row.

    A table that is, turned, what a product takes, is looked up in by columns of that one.

    The activations of a product are scaled row by row at run time, so that neither an outlier in one token nor
    the other texts of a batch cost a token its precision; `DynamicQuantizeLinear` takes one scale for all, which
    here moves the logits twice as far and makes an answer depend on its neighbours.

    Args:
        model: of float32.
        products: float32 (K, C), what products elsewhere in the same file take.
    """
    quantizer = _Quantizer(model, products)
    for node in list(model.graph.node):
        weight = quantizer.matrix(node.input[1]) if node.op_type == "MatMul" else None
        table = quantizer.matrix(node.input[0]) if node.op_type == "Gather" else None
        if weight is not None:
            quantizer.product(node, weight)
        elif table is not None:
            quantizer.lookup(node, table)
        else:
            quantizer.nodes.append(node)
    return quantizer.finish()


def store_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with large constants stored in 16 bits and cast back when an engine loads it."""
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    casts = []
    for initializer in stored.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if values.dtype != np.float32 or values.size < MIN_ELEMENTS:
            continue
        with np.errstate(over="ignore"):  # an error below, not a warning
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            raise ExportError(f"{initializer.name} has values beyond ±65504, which fp16 cannot hold; use fp32")
        name, half_name = initializer.name, f"{initializer.name}/float16"
        initializer.CopyFrom(numpy_helper.from_array(half, half_name))
        casts.append(helper.make_node("Cast", [half_name], [name], name=f"{name}/cast", to=TensorProto.FLOAT))
    nodes = list(stored.graph.node)
    del stored.graph.node[:]
    stored.graph.node.extend([*casts, *nodes])
    return stored


class _Rows(NamedTuple):
    """Rows of activations in 8 bits: the names of the rows, of their peaks and of their zero, and their levels."""

    values: str
    peak: str
    zero: str
    levels: int


class _Quantizer:
    def __init__(self, model: onnx.ModelProto, products: Iterable[np.ndarray]):
        self.model = model
        self.columns = {table: name for name, table in turned_tables(model).items()}
        elsewhere = {fingerprint(product.T) for product in products}
        self.columns |= {name: name for name, values in matrices(model).items() if fingerprint(values) in elsewhere}
        self.arrays = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
        self.producers = {output: node.op_type for node in model.graph.node for output in node.output}
        self.nodes: list[onnx.NodeProto] = []
        self.made: dict[str, np.ndarray] = {}
        self.quantized: dict[str, _Rows] = {}

    def matrix(self, name: str) -> np.ndarray | None:
        """Return the constant of that name if it is a matrix worth quantizing."""
        values = self.arrays.get(name)
        if values is None or values.dtype != np.float32 or values.ndim != 2 or values.size < MIN_ELEMENTS:
            return None
        return values

    def constant(self, name: str, values) -> str:
        self.made[name] = np.asarray(values)
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def product(self, node: onnx.NodeProto, weight: np.ndarray) -> None:
        """x·W = scale · peak · ((x/peak in 8 bits) · (W/scale in 8 bits)), peak of each row, scale of each column."""
        source, name, result = node.input[0], node.name, node.output[0]
        weight_name, scale = self.in_columns(node.input[1], weight)
        weight_zero = self.constant("quantized/weight_zero", np.int8(0))
        rows = self.rows(source, name)
        column_scale = self.constant(f"{name}/columns/scale", (scale[0] / rows.levels).astype(np.float32))
        scales = self.add("Mul", [self.one(), column_scale], f"{name}/scales")
        total = self.add("MatMulInteger", [rows.values, weight_name, rows.zero, weight_zero], f"{name}/int32")
        total = self.add("Cast", [total], f"{name}/float", to=TensorProto.FLOAT)
        total = self.add("Mul", [total, scales], f"{name}/columns")
        self.add("Mul", [total, rows.peak], result)

    def in_columns(self, name: str, weight: np.ndarray) -> tuple[str, np.ndarray]:
        """Return the name of a matrix in 8 bits and the step of each column, float32 (1, C)."""
        scale = _product_scale(weight)
        return self.constant(f"{name}/columns/int8", np.rint(weight / scale).astype(np.int8)), scale

    def rows(self, source: str, name: str) -> _Rows:
        """Return each row of `source` in 8 bits; several products of one source share them."""
        if source not in self.quantized:
            of_gelu = self.producers.get(source) == "Gelu"
            kind, number, levels = ("gelu", _GELU_ZERO, _GELU_LEVELS) if of_gelu else ("rows", _ZERO, _LEVELS)
            zero = self.constant(f"quantized/{kind}/zero", np.uint8(number))
            step = self.constant(f"quantized/{kind}/step", np.float32(1 / levels))
            peak = self.peak(source, name, of_gelu=of_gelu)
            # One division a row: dividing every element takes twice the time of multiplying it.
            inverse = self.add("Reciprocal", [peak], f"{name}/inverse")
            unit = self.add("Mul", [source, inverse], f"{name}/unit")
            values = self.add("QuantizeLinear", [unit, step, zero], f"{name}/quantized")
            self.quantized[source] = _Rows(values, peak, zero, levels)
        return self.quantized[source]

    def peak(self, source: str, name: str, *, of_gelu: bool) -> str:
        """Return what is at least the largest magnitude of each row, and not 0; of a gelu at least `_GELU_FLOOR`."""
        last_axis = self.constant("quantized/last_axis", np.array([-1], np.int64))
        if of_gelu:  # the widest rows; their largest value tells without a pass for Abs
            floor = self.constant("quantized/gelu/floor", np.float32(_GELU_FLOOR))
        else:
            floor = self.constant("quantized/tiny", np.float32(_TINY))
            source = self.add("Abs", [source], f"{name}/magnitude")
        largest = self.add("ReduceMax", [source, last_axis], f"{name}/largest", keepdims=1)
        return self.add("Clip", [largest, floor], f"{name}/peak")

    def one(self) -> str:
        """Return a 1 that no engine folds into a constant: T/T.

        onnxruntime runs MatMulInteger, Cast and Mul as one node where the factor is itself a product of two, as
        `DynamicQuantizeLinear` gives them. Were it a constant, each would pass over all results by itself.
        """
        name = "quantized/one"
        if name not in self.producers:
            self.producers[name] = "Div"
            ids = self.model.graph.input[0].name
            shape = self.add("Shape", [ids], "quantized/shape")
            last = self.constant("quantized/last", np.array([-1], np.int64))
            length = self.add("Gather", [shape, last], "quantized/length", axis=0)
            length = self.add("Cast", [length], "quantized/length/float", to=TensorProto.FLOAT)
            self.add("Div", [length, length], name)
        return name

    def lookup(self, node: onnx.NodeProto, table: np.ndarray) -> None:
        """E[i] = scale[i] · (E/scale in 8 bits)[i]."""
        table_name, ids, name, result = node.input[0], node.input[1], node.name, node.output[0]
        if table_name in self.columns:
            columns, scale = self.in_columns(self.columns[table_name], table.T)
            scale = scale.T
            column = self.add("Gather", [columns, ids], f"{name}/columns", axis=1)
            row = self.add("Transpose", [column], f"{name}/int8", perm=[1, 2, 0])
        else:
            scale = _scale(table, axis=1)
            rows = self.constant(f"{table_name}/rows/int8", np.rint(table / scale).astype(np.int8))
            row = self.add("Gather", [rows, ids], f"{name}/int8", axis=0)
        scale_name = self.constant(f"{table_name}/rows/scale", scale.astype(np.float32))
        row = self.add("Cast", [row], f"{name}/float", to=TensorProto.FLOAT)
        row_scale = self.add("Gather", [scale_name, ids], f"{name}/scale", axis=0)
        self.add("Mul", [row, row_scale], result)

    def finish(self) -> onnx.ModelProto:
        quantized = onnx.ModelProto()
        quantized.CopyFrom(self.model)
        graph = quantized.graph
        del graph.node[:]
        graph.node.extend(self.nodes)
        used = {name for node in self.nodes for name in node.input}
        kept = [entry for entry in graph.initializer if entry.name in used]
        made = [numpy_helper.from_array(values, name) for name, values in self.made.items()]
        del graph.initializer[:]
        graph.initializer.extend([*kept, *made])
        return quantized


def _scale(weight: np.ndarray, *, axis: int) -> np.ndarray:
    return _step(np.abs(weight).max(axis=axis, keepdims=True))


def _product_scale(weight: np.ndarray) -> np.ndarray:
    """Return the step of each column: float (K, C) -> float32 (1, C).

    x86 CPUs without VNNI add the products of uint8 and int8 of two neighbouring rows in 16 bits, which 2 · 255 · 127
    leaves. So a column has 127 levels for its largest weight, and for the sum of any two neighbours: rounded it is
    at most 128, and 255 · 128 fits. 63 levels for every weight would fit too, with half again the error. Unsigned
    weights would not overflow either, but are slower by a tenth there and by half on CPUs with VNNI.
    """
    padded = np.concatenate([weight, np.zeros((len(weight) % 2, weight.shape[1]), weight.dtype)])
    sums = padded[0::2] + padded[1::2]
    return _step(np.maximum(np.abs(weight).max(axis=0, keepdims=True), np.abs(sums).max(axis=0, keepdims=True)))


def _step(peak: np.ndarray) -> np.ndarray:
    return np.where(peak > 0, peak / _LEVELS, 1.0).astype(np.float32)
