"""A graph without what nobody reads answers the same and is smaller."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from kerastx_export.tflite_graph import TfliteGraph
from kerastx_export.tflite_slimming import slim

ROW = np.arange(4, dtype=np.float32)


def model() -> tf.Module:
    """Two signatures: one with a loop, both with the same constant."""
    module = tf.Module()
    specs = [tf.TensorSpec([1, 4], tf.float32, name="values")]

    def doubled(values):
        goes_on = lambda step, values: step < 3  # noqa: E731
        _, result = tf.while_loop(goes_on, lambda step, values: (step + 1, 2 * values), [tf.constant(0), values + ROW])
        return {"result": result}

    module.doubled = tf.function(doubled, input_signature=specs)
    module.squared = tf.function(lambda values: {"result": tf.square(values + ROW)}, input_signature=specs)
    return module


def converted(tmp_path) -> bytes:
    module = model()
    tf.saved_model.save(module, str(tmp_path), signatures={"doubled": module.doubled, "squared": module.squared})
    return tf.lite.TFLiteConverter.from_saved_model(str(tmp_path), signature_keys=["doubled", "squared"]).convert()


def slimmed(content: bytes, *, unread: bool = False) -> TfliteGraph:
    graph = TfliteGraph(content)
    if unread:  # the answer of the second signature becomes what it was made from
        squared = graph.model.subgraphs[graph.model.signatureDefs[1].subgraphIndex]
        squared.outputs = squared.operators[0].outputs
        graph.model.signatureDefs[1].outputs[0].tensorIndex = int(squared.outputs[0])
    slim(graph.model)
    return TfliteGraph(graph.packed())


def test_the_answers_stay(tmp_path):
    content = converted(tmp_path)
    graph = slimmed(content)
    values = np.full((1, 4), 0.5, np.float32)
    for name, expected in (("doubled", 8 * (values + ROW)), ("squared", (values + ROW) ** 2)):
        runner = Interpreter(model_content=graph.packed()).get_signature_runner(name)
        np.testing.assert_array_equal(runner(values=values)["result"], expected)
    assert graph.operators == TfliteGraph(content).operators


def test_what_nobody_reads_goes(tmp_path):
    content = converted(tmp_path)
    graph = slimmed(content, unread=True)
    runner = Interpreter(model_content=graph.packed()).get_signature_runner("squared")
    np.testing.assert_array_equal(runner(values=np.ones((1, 4), np.float32))["result"], [ROW + 1])
    squared = graph.model.subgraphs[graph.model.signatureDefs[1].subgraphIndex]
    assert len(squared.operators) == 1
    assert len(squared.tensors) == 3


def test_equal_constants_and_empty_buffers_are_there_once(tmp_path):
    content = converted(tmp_path)
    before, after = TfliteGraph(content).model, slimmed(content).model
    held = [bytes(buffer.data) for buffer in after.buffers if buffer.data is not None]
    assert sum(data == ROW.tobytes() for data in held) == 1
    assert len(held) == len(set(held))
    assert len(after.buffers) < len(before.buffers)
    named = [tensor for graph in after.subgraphs for tensor in graph.tensors if tensor.name]
    shown = {
        (place, int(number))
        for place, graph in enumerate(after.subgraphs)
        for number in (*graph.inputs, *graph.outputs)
    }
    assert len(named) == len(shown)
