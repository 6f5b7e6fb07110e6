"""An export that fails names the culprit and leaves nothing."""

from __future__ import annotations

import dataclasses
import errno
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

from kerastx.errors import ExportError
from kerastx_export import builder, convert_onnx, quantize_onnx
from kerastx_export.export import export_checkpoint
from kerastx_export.trace import input_specs, serving_function

FORMATS = ("tflite", "onnx")
FLOAT = onnx.TensorProto.FLOAT


class OddLayer(keras.layers.Layer):
    """Holds an operator that neither format has."""

    def call(self, x):
        return keras.ops.erfinv(0.5 * keras.ops.tanh(x))


@pytest.fixture(scope="module")
def odd(small):
    """A classifier that ends in an `OddLayer`."""
    checkpoint = small
    inputs = checkpoint.model.input
    logits = OddLayer(name="odd_layer")(checkpoint.model(inputs)["logits"])
    return dataclasses.replace(checkpoint, model=keras.Model(inputs, {"logits": logits}, name="classifier"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("tflite", r"TFLite has no built-in form of the operator Erfinv of the layer 'odd_layer(/erfinv)?'$"),
        ("onnx", r"the operator Erfinv of the layer 'odd_layer(/erfinv)?' is not part of the ONNX standard$"),
    ],
)
def test_a_foreign_operator_is_named_with_its_layer(odd, tmp_path, kind, message):
    with pytest.raises(ExportError, match=message):
        export_checkpoint(odd, tmp_path / "out", formats=[kind], inputs="ids")
    assert list(tmp_path.iterdir()) == []


def test_lost_weights_are_named(small, tmp_path, monkeypatch):
    def write_without_tracking(model, folder, *, task):
        # What `write_saved_model` is there to avoid.
        module = tf.Module()
        module.model = model
        function = tf.function(serving_function(model, task), input_signature=input_specs())
        tf.saved_model.save(module, str(folder), signatures={task: function})

    monkeypatch.setattr(builder, "write_saved_model", write_without_tracking)
    with pytest.raises(ExportError, match=r"lost the weights token_embedding/table \(300, 64\) and \d+ more"):
        export_checkpoint(small, tmp_path / "out", formats=["tflite"], inputs="ids")
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_that_did_not_happen_is_an_error(small, tmp_path, monkeypatch):
    monkeypatch.setattr(quantize_onnx, "quantize_int8", lambda model: model)
    with pytest.raises(ExportError, match=r"dynamic_wi8_afp32 was asked for, but \S+ \(.*\) is stored as float32"):
        export_checkpoint(small, tmp_path / "out", formats=["onnx"], inputs="ids")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def shifted_head(monkeypatch):
    """Make every ONNX conversion move the first logit by 0.01, and leave all else as it is."""
    convert = convert_onnx.convert

    def shifted(model, task):
        proto = convert(model, task)
        (bias,) = (entry for entry in proto.graph.initializer if entry.dims == [3] and entry.data_type == FLOAT)
        values = onnx.numpy_helper.to_array(bias) + np.array([0.01, 0, 0], np.float32)
        bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
        return proto

    monkeypatch.setattr(convert_onnx, "convert", shifted)


@pytest.mark.parametrize("recipe", ["fp32", "dynamic_wi8_afp32"])
def test_a_graph_that_differs_from_keras_is_not_kept(small, shifted_head, tmp_path, recipe):
    message = r"fp32: logits is 0.01 away from Keras for (a text|\d+ )[\w ×]+; at most 0.0001 is allowed"
    with pytest.raises(ExportError, match=message):
        export_checkpoint(small, tmp_path / "out", formats=["onnx"], recipe=recipe, inputs="ids")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_model_that_answers_nan_is_not_exported(make_checkpoint, tmp_path, kind):
    checkpoint = make_checkpoint(num_layers=1)
    weights = {variable.path: variable for variable in checkpoint.model.weights}
    weights["classifier_head/bias"].assign([np.nan, 0.0, 0.0])
    with pytest.raises(ExportError, match=r"fp32: logits is not finite or of another shape for a text of \d+ tokens"):
        export_checkpoint(checkpoint, tmp_path / "out", formats=[kind], recipe="fp32", inputs="ids")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["classification-fp32.onnx", "report.md"])
def test_a_full_disk_leaves_nothing(small, tmp_path, monkeypatch, failing):
    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    for method in ("write_bytes", "write_text"):
        write = getattr(Path, method)
        monkeypatch.setattr(
            Path,
            method,
            lambda self, *args, write=write, **more: (full if self.name == failing else write)(self, *args, **more),
        )
    with pytest.raises(ExportError, match=r"cannot write \S+/out: No space left on device"):
        export_checkpoint(small, tmp_path / "out", formats=["onnx"], recipe="fp32", inputs="ids")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_while_tensorflow_writes_leaves_nothing(small, tmp_path, monkeypatch):
    def full(model, folder, *, task):
        folder.mkdir()
        (folder / "variables").write_bytes(b"half")
        raise tf.errors.ResourceExhaustedError(None, None, "part-00000;\n No space left on device")

    monkeypatch.setattr(builder, "write_saved_model", full)
    with pytest.raises(ExportError, match=r"cannot write \S+saved_model: part-00000; No space left on device"):
        export_checkpoint(small, tmp_path / "out", formats=["tflite"], inputs="ids")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(small, tmp_path):
    def interrupt(phase, done, total):
        if done == 2:  # the file has just been written
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_checkpoint(small, tmp_path / "out", formats=["onnx"], recipe="fp32", progress=interrupt, inputs="ids")
    assert list(tmp_path.iterdir()) == []
