"""Attention in one node: the same answers, with every bias and for padding."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx

from kerastx_export.convert_onnx import convert
from kerastx_export.trace import input_specs, serving_function


@pytest.fixture(scope="module", params=["post-norm", "pre-norm"])
def checkpoint(request, make_checkpoint):
    """A classifier whose biases are not 0."""
    checkpoint = make_checkpoint(num_layers=2, norm=request.param)
    random = np.random.default_rng(0)
    for variable in checkpoint.model.weights:
        if len(variable.shape) == 1:
            variable.assign(np.asarray(variable) + random.normal(size=variable.shape).astype(np.float32))
    return checkpoint


def answers(model, steps):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, steps)


def test_answers_stay_in_one_node_a_layer(checkpoint):
    function = tf.function(serving_function(checkpoint.model, "classification"), input_signature=input_specs())
    plain, _ = tf2onnx.convert.from_function(function, input_signature=input_specs(), opset=18)
    fused = convert(checkpoint.model, "classification")
    operators = Counter(node.op_type for node in fused.graph.node)
    assert operators["Attention"] == 2
    assert not operators.keys() & {"Transpose", "Split"}
    for texts in (["One text.", "Another one that is a little longer than the first.", ""], ["Alone."]):
        steps = checkpoint.tokenizer.pad(checkpoint.tokenizer.encode_batch(texts))
        for found, expected in zip(answers(fused, steps), answers(plain, steps), strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
