"""Checkpoint -> the bytes of a file, in one format and any recipe."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx
import tensorflow as tf

from kerastx.artifact import Manifest, seal
from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ExportError
from kerastx_export import convert_onnx, convert_tflite, environment, quantize_onnx, tflite_metadata
from kerastx_export.constants import Constant, onnx_constants
from kerastx_export.int8_tables import int8_tables
from kerastx_export.onnx_joining import join
from kerastx_export.onnx_tokenizer import tokenizer_graph
from kerastx_export.recipes import RECIPES, Recipe
from kerastx_export.signature import signature
from kerastx_export.text_entry import text_entry
from kerastx_export.text_input import TextInput
from kerastx_export.tflite_grafting import graft
from kerastx_export.tflite_graph import TfliteGraph
from kerastx_export.trace import served_model, write_saved_model


@dataclass(frozen=True)
class Graph:
    """A converted graph, before the manifest is put in."""

    content: bytes
    constants: list[Constant]
    operators: dict[str, int]


def manifest_of(
    checkpoint: Checkpoint, recipe: Recipe, text: TextInput | None = None, *, with_ids: bool = True
) -> Manifest:
    """Return what a file of `checkpoint` says about itself."""
    return Manifest(
        task=checkpoint.task,
        labels=checkpoint.labels,
        tokenizer=checkpoint.tokenizer.to_json(),
        max_length=checkpoint.max_length,
        recipe=recipe.name,
        signature=signature(checkpoint, texts=() if with_ids or text is None else text.names),
        versions=environment.versions(),
        model=checkpoint.config.to_dict(),
        description=checkpoint.description or _description(checkpoint),
        pair=checkpoint.pair,
        span=checkpoint.span.to_dict() if checkpoint.span else {},
        text={} if text is None else text_entry(text, checkpoint.tokenizer),
    )


def _description(checkpoint: Checkpoint) -> str:
    answer = {
        "classification": f"one of {len(checkpoint.labels)} labels",
        "multi_label": f"any of {len(checkpoint.labels)} labels",
        "regression": "a number",
        "tagging": f"its entities of {len(checkpoint.labels)} kinds",
        "span": "the part of the second that answers the first",
        "embedding": f"a vector of {checkpoint.config.hidden_dim} numbers",
    }[checkpoint.task]
    return f"{'A pair of texts' if checkpoint.pair else 'Text'} to {answer}."


class TfliteBuilder:
    """Makes .tflite files; the SavedModels that it reads are written once, into `folder`."""

    engine_format = "tflite"

    def __init__(self, checkpoint: Checkpoint, folder: Path, text: TextInput | None = None, *, with_ids: bool = True):
        self.checkpoint = checkpoint
        self.folder = folder
        self.text = text
        self.with_ids = with_ids

    @cached_property
    def _tokenizer(self) -> bytes | None:
        if self.text is None:
            return None
        return convert_tflite.convert_tokenizer(self.text, self.folder / "saved_tokenizer")

    def _saved_model(self, recipe: Recipe) -> Path:
        is_int8 = recipe.weight_dtype == "int8"
        path = self.folder / ("saved_model_int8" if is_int8 else "saved_model")
        if path.exists():
            return path
        model = served_model(self.checkpoint)
        try:
            with int8_tables(model) if is_int8 else contextlib.nullcontext():
                write_saved_model(model, path, task=self.checkpoint.task)
        except tf.errors.OpError as error:  # a full disk, most of all
            raise ExportError(f"cannot write {path}: {' '.join(error.message.split())}") from error
        return path

    def graph(self, recipe: Recipe) -> Graph:
        """Return the graph with its weights stored as `recipe` says."""
        content = convert_tflite.convert(self._saved_model(recipe), recipe, task=self.checkpoint.task)
        parsed = TfliteGraph(content)
        return Graph(content, parsed.constants, parsed.operators)

    def seal(self, graph: Graph, recipe: Recipe) -> bytes:
        """Return the whole file: graph, description for mobile tools, manifest, tokenizer."""
        manifest = manifest_of(self.checkpoint, recipe, self.text, with_ids=self.with_ids)
        parsed = TfliteGraph(graph.content)
        if self._tokenizer is not None:
            graft(parsed.model, TfliteGraph(self._tokenizer).model, task=self.checkpoint.task, with_ids=self.with_ids)
        inputs, outputs = parsed.tensor_names()
        described = parsed.with_metadata(
            tflite_metadata.NAME,
            tflite_metadata.metadata_buffer(manifest, inputs=inputs, outputs=outputs),
            description=f"kerastx {manifest.task}",
        )
        return seal(described, manifest, self.engine_format)


class OnnxBuilder:
    """Makes .onnx files; the fp32 graph that all recipes start from is made once."""

    engine_format = "onnx"

    def __init__(self, checkpoint: Checkpoint, folder: Path, text: TextInput | None = None, *, with_ids: bool = True):
        self.checkpoint = checkpoint
        self.text = text
        self.with_ids = with_ids

    @cached_property
    def _tokenizer(self) -> onnx.ModelProto | None:
        return None if self.text is None else tokenizer_graph(self.text)

    @cached_property
    def _fp32(self) -> onnx.ModelProto:
        return convert_onnx.convert(served_model(self.checkpoint), self.checkpoint.task)

    def graph(self, recipe: Recipe) -> Graph:
        """Return the graph with its weights stored as `recipe` says."""
        store = {
            "float32": lambda model: model,
            "float16": quantize_onnx.store_float16,
            "int8": quantize_onnx.quantize_int8,
        }[recipe.weight_dtype]
        model = store(self._fp32)
        if recipe != RECIPES["fp32"]:
            convert_onnx.check(model, self.checkpoint.task)
        return Graph(model.SerializeToString(), onnx_constants(model), convert_onnx.operators(model))

    def seal(self, graph: Graph, recipe: Recipe) -> bytes:
        """Return the whole file: graph, manifest, tokenizer."""
        content = graph.content
        if self._tokenizer is not None:
            model = join(
                self._tokenizer, onnx.load_from_string(content), task=self.checkpoint.task, with_ids=self.with_ids
            )
            convert_onnx.check_model(model)
            content = model.SerializeToString()
        return seal(
            content, manifest_of(self.checkpoint, recipe, self.text, with_ids=self.with_ids), self.engine_format
        )


BUILDERS: dict[str, type[TfliteBuilder] | type[OnnxBuilder]] = {"tflite": TfliteBuilder, "onnx": OnnxBuilder}
