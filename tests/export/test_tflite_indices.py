"""Look-ups that no longer count from the end: the same answers, and nothing taken out that only looks alike."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from kerastx_export.tflite_graph import TfliteGraph
from kerastx_export.tflite_indices import read_indices_as_they_are
from kerastx_export.tflite_slimming import slim

TABLE = np.array([3, 1, 4, 1, 5], np.int32)


def taken(index):
    return keras.ops.take(keras.ops.convert_to_tensor(TABLE), index, axis=0)


def columns_taken(index):
    return keras.ops.take(keras.ops.convert_to_tensor(np.stack([TABLE, -TABLE])), index, axis=1)


def converted(function) -> TfliteGraph:
    specs = [tf.TensorSpec([1, 4], tf.int32, name="index")]
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    return TfliteGraph(converter.convert())


def shortened(function) -> TfliteGraph:
    graph = converted(function)
    read_indices_as_they_are(graph.model)
    slim(graph.model)
    return TfliteGraph(graph.packed())


def answer(graph: TfliteGraph, index) -> np.ndarray:
    interpreter = Interpreter(model_content=graph.packed())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.array([index], np.int32))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("function", [taken, columns_taken])
def test_the_index_is_read_as_it_is(function):
    graph = shortened(function)
    assert converted(function).operators.keys() == {"LESS", "ADD", "SELECT", "GATHER"}
    assert graph.operators == {"GATHER": 1}
    index = [4, 0, 2, 1]
    np.testing.assert_array_equal(answer(graph, index), answer(converted(function), index))


def test_a_negative_index_is_refused_and_not_answered_wrongly():
    assert answer(converted(taken), [-1, 0, 0, 0]).tolist() == [[5, 3, 3, 3]]
    with pytest.raises(RuntimeError, match="gather index out of bounds"):
        answer(shortened(taken), [-1, 0, 0, 0])


def kept_entries(index):  # not the number of entries
    return tf.gather(TABLE, tf.where(index < 0, index + 4, index))


def from_one_on(index):  # not below 0
    return tf.gather(TABLE, tf.where(index < 1, index + 5, index))


def of_another(index):  # one index decides, another one is moved
    return tf.gather(TABLE, tf.where(index < 0, index // 2 + 5, index))


def multiplied(index):
    return tf.gather(TABLE, tf.where(index < 0, index * 5, index))


def other_way(index):
    return tf.gather(TABLE, tf.where(index < 0, index, index + 5) % 5)


@pytest.mark.parametrize("function", [kept_entries, from_one_on, of_another, multiplied, other_way])
def test_what_only_looks_alike_stays(function):
    assert shortened(function).operators == converted(function).operators
