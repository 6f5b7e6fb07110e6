"""A graph that a plain TFLite runtime could not take does not leave the converter."""

from __future__ import annotations

import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.convert_phase import ConverterError

from kerastx.errors import ExportError
from kerastx_export.convert_tflite import check, convert
from kerastx_export.recipes import RECIPES
from kerastx_export.tflite_graph import TfliteGraph


@pytest.fixture
def graph(fp32_tflite) -> TfliteGraph:
    return TfliteGraph(fp32_tflite)


def test_an_exported_graph_passes(graph):
    check(graph, "classification")


def test_custom_operators_are_named(graph):
    graph.operators = {"ADD": 3, "custom:FlexErfinv": 1, "custom:Mine": 2}
    with pytest.raises(ExportError, match=r"^the operators custom:FlexErfinv, custom:Mine are not built into TFLite$"):
        check(graph, "classification")


def test_a_second_signature_is_an_error(graph):
    other = schema.SignatureDefT()
    other.signatureKey = "other"
    graph.model.signatureDefs.append(other)
    with pytest.raises(ExportError, match=r"the signatures .*classification.*other.*, expected classification alone$"):
        check(graph, "classification")


def test_other_inputs_and_outputs_are_named(graph):
    (entry,) = graph.model.signatureDefs
    entry.outputs[0].name = b"scores"
    with pytest.raises(ExportError, match=r"the outputs \[.*'scores'.*\], expected \['logits', 'probabilities'\]$"):
        check(graph, "classification")
    entry.inputs[0].name = b"ids"
    with pytest.raises(ExportError, match=r"the inputs \[.*'ids'.*\], expected \['token_ids', 'segment_ids', 'pad"):
        check(graph, "classification")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("boom\n   and more", r"^the TFLite converter failed: boom and more$"),
        ("x" * 2000, r"^the TFLite converter failed: x{500}$"),
        (
            # Two layers, as TensorFlow 2.21 words it; on stderr "error:" stands before the operator instead.
            'error: loc(fused["Erfinv:", "classifier_1/a_1/Erfinv@f"] at x): \'tf.Erfinv\' op is neither a custom op\n'
            'loc(fused["Lgamma:", "classifier_1/b_1/Lgamma@f"]): error: \'tf.Lgamma\' op is neither a custom op\n',
            r"no built-in form of the operator Erfinv of the layer 'a', Lgamma of the layer 'b'$",
        ),
    ],
)
def test_a_failed_conversion_is_told_in_one_line(tmp_path, monkeypatch, text, message):
    class Converter:
        def __init__(self):
            self.target_spec = tf.lite.TargetSpec()

        def convert(self):
            raise ConverterError(text)

    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", lambda *_, **__: Converter())
    with pytest.raises(ExportError, match=message):
        convert(tmp_path, RECIPES["fp32"], task="classification")
