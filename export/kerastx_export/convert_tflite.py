"""SavedModel -> TFLite flatbuffer, built-in operators only."""

from __future__ import annotations

import re
from pathlib import Path

import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from kerastx.errors import ExportError
from kerastx.runtime.results import OUTPUTS
from kerastx_export.layer_names import layer_of
from kerastx_export.recipes import Recipe
from kerastx_export.signature import INPUTS
from kerastx_export.text_input import TextInput
from kerastx_export.tflite_grafting import TOKENIZE, TOKENIZE_SHORT
from kerastx_export.tflite_graph import TfliteGraph
from kerastx_export.tflite_indices import read_indices_as_they_are
from kerastx_export.tflite_slimming import slim

# error: loc(callsite(fused["Erfinv:", "classifier_1/odd_layer_1/Erfinv@..."] ...: 'tf.Erfinv' op is neither ...
_FOREIGN = re.compile(r'fused\["\w+:", "(?P<node>[^"@]+)[^\n]*\'tf\.(?P<op>\w+)\' op is neither')


def convert(saved_model: Path, recipe: Recipe, *, task: str) -> bytes:
    """Return the flatbuffer of a SavedModel that `write_saved_model` wrote.

    Raises:
        ExportError: an operator is not built into TFLite; its name and the Keras layer are in the message.
    """
    content = convert_signatures(saved_model, recipe, [task])
    check(TfliteGraph(content), task)
    return content


def convert_signatures(saved_model: Path, recipe: Recipe, keys: list[str]) -> bytes:
    """Return the flatbuffer of some signatures of a SavedModel; for the error see `convert`."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=keys)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if recipe.weight_dtype != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.weight_dtype == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        return converter.convert()
    except ConverterError as error:
        raise ExportError(_reason(str(error))) from error


def convert_tokenizer(text: TextInput, folder: Path) -> bytes:
    """Return the flatbuffer of a tokenizer made of tensor operations, for one text at a time.

    It has the signature tokenize, and tokenize_short where short texts have a graph of their own.
    """
    budgets = {TOKENIZE: text.budget} | ({TOKENIZE_SHORT: text.short_budget} if text.short_budget else {})
    module = tf.Module()
    module.functions = {
        key: tf.function(text.function, input_signature=text.specs(1, size=budget)) for key, budget in budgets.items()
    }
    tf.saved_model.save(module, str(folder), signatures=dict(module.functions))
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=list(budgets))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        graph = TfliteGraph(converter.convert())
    except ConverterError as error:
        raise ExportError(_reason(str(error))) from error
    read_indices_as_they_are(graph.model)
    slim(graph.model)
    return graph.packed()


def check(graph: TfliteGraph, task: str) -> None:
    """Raise ExportError unless the graph has one signature with our names and built-in operators only."""
    foreign = [name for name in graph.operators if name.startswith("custom:")]
    if foreign:
        raise ExportError(f"the operators {', '.join(foreign)} are not built into TFLite")
    keys = [entry.signatureKey for entry in graph.model.signatureDefs]
    if len(keys) != 1:
        raise ExportError(f"the TFLite graph has the signatures {keys}, expected {task} alone")
    for side, found, names in zip(("inputs", "outputs"), graph.tensor_names(), (INPUTS, OUTPUTS[task]), strict=True):
        if sorted(found) != sorted(names):
            raise ExportError(f"the TFLite graph has the {side} {found}, expected {list(names)}")


def _reason(message: str) -> str:
    foreign = sorted({(match["op"], layer_of(match["node"])) for match in _FOREIGN.finditer(message)})
    if foreign:
        operators = ", ".join(f"{operator} of the layer {layer!r}" for operator, layer in foreign)
        return f"TFLite has no built-in form of the operator {operators}"
    return f"the TFLite converter failed: {' '.join(message.split())[:500]}"
