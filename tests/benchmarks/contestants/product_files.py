"""One matrix product as a file of each runtime, to measure what the runtime itself reaches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

# Of the first feed-forward product at length 128.
ROWS, INNER, COLUMNS = 128, 384, 1536
OPERATIONS = 2.0 * ROWS * INNER * COLUMNS

Matmuls = dict[str, tuple[Callable[[], object], float]]


def factors() -> tuple[np.ndarray, np.ndarray]:
    """Return float32 (128, 384) and (384, 1536)."""
    random = np.random.default_rng(0)
    return (
        random.normal(size=(ROWS, INNER)).astype(np.float32),
        random.normal(size=(INNER, COLUMNS)).astype(np.float32),
    )


def onnx_product(path: Path, *, int8: bool = False) -> None:
    """Write X·W, or int32 products of uint8 X and int8 W."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    _, weight = factors()
    source, target = TensorProto.FLOAT, TensorProto.FLOAT
    inputs, constants = ["x", "w"], [numpy_helper.from_array(weight, "w")]
    if int8:
        source, target = TensorProto.UINT8, TensorProto.INT32
        inputs = ["x", "w", "zero"]
        constants = [
            numpy_helper.from_array(np.clip(weight * 30, -127, 127).astype(np.int8), "w"),
            numpy_helper.from_array(np.uint8(128), "zero"),
        ]
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger" if int8 else "MatMul", inputs, ["y"])],
        "product",
        [helper.make_tensor_value_info("x", source, [ROWS, INNER])],
        [helper.make_tensor_value_info("y", target, [ROWS, COLUMNS])],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def onnx_matmuls(folder: Path) -> Matmuls:
    """Return the products of onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made: Matmuls = {}
    for number_format, name in (("fp32", "product-fp32.onnx"), ("int8", "product-int8.onnx")):
        session = onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
        x = factors()[0]
        feed = {"x": x if number_format == "fp32" else np.clip(x * 30 + 128, 0, 255).astype(np.uint8)}
        made[number_format] = (lambda session=session, feed=feed: session.run(None, feed), OPERATIONS)
    return made


def litert_product(path: Path, *, int8: bool = False) -> None:
    """Write X·W; with int8 weights and activations quantized on the fly."""
    import tensorflow as tf

    weight = tf.constant(factors()[1])
    function = tf.function(lambda x: tf.matmul(x, weight), input_signature=[tf.TensorSpec([ROWS, INNER])])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(converter.convert())


def litert_matmuls(folder: Path) -> Matmuls:
    """Return the products of LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    made: Matmuls = {}
    for number_format, name in (("fp32", "product-fp32.tflite"), ("int8", "product-int8.tflite")):
        interpreter = Interpreter(str(folder / name), num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], factors()[0])
        made[number_format] = (interpreter.invoke, OPERATIONS)
    return made
