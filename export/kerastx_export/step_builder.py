"""A checkpoint that writes -> the bytes of a file, in one format and any recipe."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import onnx
import tensorflow as tf

from kerastx.artifact import Manifest, seal
from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ExportError
from kerastx_export import convert_onnx, convert_tflite, environment, onnx_fusion
from kerastx_export.builder import Graph
from kerastx_export.constants import onnx_constants
from kerastx_export.int8_tables import int8_tables
from kerastx_export.onnx_readers import with_encoder, with_tokenizer
from kerastx_export.onnx_tied_tables import matrices, multiply_with_rows, turned_tables
from kerastx_export.onnx_tokenizer import padded_tokenizer_graph
from kerastx_export.quantize_onnx import quantize_int8, store_float16
from kerastx_export.recipes import Recipe
from kerastx_export.step_graph import (
    Tensors,
    encode_function,
    encode_specs,
    identities,
    signatures_of,
    step_function,
    step_specs,
    write_step_model,
)
from kerastx_export.tflite_grafting import add_tokenizers
from kerastx_export.tflite_graph import TfliteGraph
from kerastx_export.tied_tables import share_tied_tables
from kerastx_export.writer_text import WriterText

_DOES = {"language_model": "Goes on from a text.", "seq2seq": "Writes the text that another one becomes."}


def manifest_of(checkpoint: Checkpoint, recipe: Recipe, text: WriterText, *, slots: bool) -> Manifest:
    """Return what a file of `checkpoint` says about itself."""
    given = step_specs(checkpoint, slots=slots)
    sources = encode_specs() if checkpoint.task == "seq2seq" else {}
    return Manifest(
        task=checkpoint.task,
        labels=(),
        tokenizer=checkpoint.tokenizer.to_json(),
        source_tokenizer="" if checkpoint.source_tokenizer is None else checkpoint.source_tokenizer.to_json(),
        max_length=checkpoint.max_length,
        recipe=recipe.name,
        signature={
            "inputs": [_entry(name, spec) for name, spec in given.items()],
            "outputs": [{"name": "logits", "dtype": "float32", "shape": [None, checkpoint.config.vocabulary_size]}],
            "sources": [_entry(name, spec) for name, spec in sources.items()],
        },
        versions=environment.versions(),
        model=checkpoint.config.to_dict(),
        description=checkpoint.description or _DOES[checkpoint.task],
        text=text.entry,
        detokenizer=text.detokenizer,
    )


def _entry(name: str, spec: tf.TensorSpec) -> dict[str, object]:
    return {"name": name, "dtype": spec.dtype.name, "shape": spec.shape.as_list()}


class TfliteStepBuilder:
    """Makes .tflite files with the signatures of `signatures_of`, and tokenize where there is a tokenizer."""

    engine_format = "tflite"

    def __init__(self, checkpoint: Checkpoint, folder: Path, text: WriterText, *, loop: bool = False):
        self.checkpoint = checkpoint
        self.folder = folder
        self.text = text
        self.loop = loop

    @cached_property
    def _tokenizer(self) -> bytes | None:
        text = self.text.text
        return None if text is None else convert_tflite.convert_tokenizer(text, self.folder / "saved_tokenizer")

    def graph(self, recipe: Recipe) -> Graph:
        """Return the graph with its weights stored as `recipe` says."""
        is_int8 = recipe.weight_dtype == "int8"
        path = self.folder / ("steps_int8" if is_int8 else "steps")
        model = self.checkpoint.model
        if not path.exists():
            try:
                # Keras prints every captured tensor.
                with (
                    int8_tables(model) if is_int8 else contextlib.nullcontext(),
                    contextlib.redirect_stdout(io.StringIO()),
                ):
                    write_step_model(self.checkpoint, str(path), loop=self.loop)
            except tf.errors.OpError as error:  # a full disk, most of all
                raise ExportError(f"cannot write {path}: {' '.join(error.message.split())}") from error
        parsed = TfliteGraph(
            convert_tflite.convert_signatures(path, recipe, signatures_of(self.checkpoint, loop=self.loop))
        )
        if is_int8:
            share_tied_tables(parsed.model)
            parsed = TfliteGraph(parsed.packed())
        foreign = [name for name in parsed.operators if name.startswith("custom:")]
        if foreign:
            raise ExportError(f"the operators {', '.join(foreign)} are not built into TFLite")
        return Graph(parsed.packed(), parsed.constants, parsed.operators)

    def seal(self, graph: Graph, recipe: Recipe) -> bytes:
        """Return the whole file: graph, manifest, tokenizer."""
        content = graph.content
        if self._tokenizer is not None:
            parsed = TfliteGraph(content)
            add_tokenizers(parsed.model, TfliteGraph(self._tokenizer).model)
            content = parsed.packed()
        return seal(content, manifest_of(self.checkpoint, recipe, self.text, slots=True), self.engine_format)


class OnnxStepBuilder:
    """Makes .onnx files whose cache grows, and that cut texts where there is a tokenizer.

    The fp32 graph that all recipes start from is made once.
    """

    engine_format = "onnx"

    def __init__(self, checkpoint: Checkpoint, folder: Path, text: WriterText, *, loop: bool = False):
        self.checkpoint = checkpoint
        self.text = text

    @cached_property
    def _tokenizer(self) -> onnx.ModelProto | None:
        return None if self.text.text is None else padded_tokenizer_graph(self.text.text)

    @cached_property
    def _fp32(self) -> list[onnx.ModelProto]:
        """The step and, of an encoder-decoder, what it needs of a source."""
        checkpoint = self.checkpoint
        models = [self._converted(step_function(checkpoint), step_specs(checkpoint, slots=False))]
        if checkpoint.task == "seq2seq":
            models.append(self._converted(encode_function(checkpoint), encode_specs()))
        return models

    def _converted(self, function: Callable[[Tensors], Tensors], specs: dict[str, tf.TensorSpec]) -> onnx.ModelProto:
        graph = tf.function(
            lambda *inputs: identities(function(dict(zip(specs, inputs, strict=True)))),
            input_signature=list(specs.values()),
        )
        model = convert_onnx.convert_function(graph, list(specs.values()), name=self.checkpoint.task)
        onnx_fusion.name_sizes(model)
        convert_onnx.renumber(model)
        return model

    def graph(self, recipe: Recipe) -> Graph:
        """Return the graph with its weights stored as `recipe` says."""
        model, *encoder = self._stored(recipe)
        if encoder:
            model = with_encoder(model, *encoder)
        convert_onnx.check_standard(model)
        convert_onnx.check_model(model)
        return Graph(model.SerializeToString(), onnx_constants(model), convert_onnx.operators(model))

    def _stored(self, recipe: Recipe) -> list[onnx.ModelProto]:
        """Return the graphs with their weights stored as `recipe` says, a table that is multiplied with too once."""
        step, *encoder = self._fp32
        if recipe.weight_dtype == "int8":
            products = [matrices(step)[name] for name in turned_tables(step)]
            return [quantize_int8(step), *(quantize_int8(model, products=products) for model in encoder)]
        models = [multiply_with_rows(step), *encoder]
        return [store_float16(model) for model in models] if recipe.weight_dtype == "float16" else models

    def seal(self, graph: Graph, recipe: Recipe) -> bytes:
        """Return the whole file: graph, manifest, tokenizer."""
        content = graph.content
        if self._tokenizer is not None:
            model = with_tokenizer(onnx.load_from_string(content), self._tokenizer)
            convert_onnx.check_standard(model)
            convert_onnx.check_model(model)
            content = model.SerializeToString()
        return seal(content, manifest_of(self.checkpoint, recipe, self.text, slots=False), self.engine_format)


STEP_BUILDERS: dict[str, type[TfliteStepBuilder] | type[OnnxStepBuilder]] = {
    "tflite": TfliteStepBuilder,
    "onnx": OnnxStepBuilder,
}
