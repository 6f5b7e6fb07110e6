"""Checkpoint -> verified files: the order of the steps."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ExportError
from kerastx.runtime.engines import open_engine
from kerastx.runtime.results import WINDOWED_TASKS
from kerastx.runtime.session import load
from kerastx.runtime.writer import WRITING_TASKS
from kerastx_export import constants, environment, gate, parity
from kerastx_export.builder import BUILDERS, Graph, OnnxBuilder, TfliteBuilder
from kerastx_export.comparison import Comparison, DevRows
from kerastx_export.export_writer import export_writer
from kerastx_export.latency import latency_ms
from kerastx_export.recipes import RECIPES, Recipe, recipe_named
from kerastx_export.report import FileReport, Report
from kerastx_export.shorter_context import with_context
from kerastx_export.text_check import check_answers, check_tokenizer
from kerastx_export.text_cost import measure_text_cost
from kerastx_export.text_input import TextInput, text_input
from kerastx_export.trace import exportable
from kerastx_export.workspace import workspace
from kerastx_export.writer_comparison import HeldData, held_data, labelled_data
from kerastx_export.writer_report import WriterReport
from kerastx_export.writer_text import writer_text

REPORT_FILES = ("report.json", "report.md")
INPUT_CHOICES = ("ids", "text", "both")
# progress(phase, steps done, steps in all)
Progress = Callable[[str, int, int], None]


def export_checkpoint(
    checkpoint: Checkpoint | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    formats: Sequence[str] = ("tflite", "onnx"),
    recipe: str = "dynamic_wi8_afp32",
    dev: DevRows | HeldData | None = None,
    inputs: str | None = None,
    text_bytes: int | None = None,
    context: int | None = None,
    loop: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Report | WriterReport:
    """Write a model as self-contained .tflite and .onnx files, each compared with Keras in its own runtime.

    Args:
        checkpoint: a fine-tuned checkpoint, or its folder: a classification, multi_label, regression, embedding,
            tagging or span; or one that writes, a language_model or seq2seq, whose files generate with a key/value
            cache.
        output: folder of the files, of report.json and of report.md.
        formats: "tflite", "onnx" or both.
        recipe: "fp32", "fp16" or "dynamic_wi8_afp32"; see `kerastx_export.recipes`.
        dev: labelled rows to compare and score on, for a language_model held text, for a seq2seq pairs; texts of our
            own otherwise, without a score.
        inputs: "ids", "text" or "both"; by default "both", and "ids" where the tokenizer has no form of tensor
            operations. With texts as an input the tokenizer is part of the graph. A .tflite has the signatures `ids`,
            `tokenize` (the ids, and the bytes of each token) and `text` (what the task answers); an .onnx has the input
            `text`, which is read where no ids are given. A file that writes has `tokenize` alone, or beside its step
            the input `text`, for prompts or sources, and goes on from ids: it takes no "text" only.
        text_bytes: bytes of a text that such a file reads, at least as many as tokens; by default 6 for each token, at
            least 512; of a model that writes at most 8192.
        context: of models that write: tokens that a text may have, fewer than the model has room for.
        loop: of models that write: a .tflite has the signature `generate` too, which writes a whole greedy text at one
            call, for a host without a loop of its own; see `kerastx_export.loop_graph`.
        force: replace files of the same name.
        progress: called with (phase, steps done, steps in all).

    Raises:
        ExportError: the conversion lost something, kept a foreign operator or answers unlike Keras, or the output
            exists or cannot be written. Nothing new is in `output` then.
    """
    started = time.monotonic()
    stored_as = recipe_named(recipe)
    formats = tuple(dict.fromkeys(formats))
    if not formats or set(formats) - set(BUILDERS):
        raise ValueError(f"formats must be of {', '.join(BUILDERS)}, got {formats!r}.")
    report_progress = progress or (lambda phase, done, total: None)
    checkpoint = exportable(checkpoint)
    if checkpoint.task in WRITING_TASKS:
        if context is not None:
            checkpoint = with_context(checkpoint, context)
        return export_writer(
            checkpoint,
            Path(output).resolve(),
            writer_text(checkpoint, inputs, text_bytes),
            formats=formats,
            recipe=stored_as,
            dev=held_data(dev),
            loop=loop,
            force=force,
            progress=report_progress,
        )
    if context is not None or loop:
        raise ExportError(f"--context and --loop are for models that write, not for {checkpoint.task}")
    text, no_text = _text_input(checkpoint, inputs, text_bytes)
    comparison = Comparison(checkpoint, labelled_data(dev))
    output = Path(output).resolve()
    names = [f"{checkpoint.task}-{recipe}.{kind}" for kind in formats]
    with workspace(output, [*names, *REPORT_FILES], force=force) as folder:
        files = []
        for kind, name in zip(formats, names, strict=True):
            builder = BUILDERS[kind](checkpoint, folder, text, with_ids=inputs != "text")
            files.append(_export(builder, stored_as, folder / name, comparison, report_progress))
        report = Report(
            task=checkpoint.task,
            labels=checkpoint.labels,
            pair=checkpoint.pair,
            parameters=checkpoint.model.count_params(),
            recipe=stored_as,
            compared_on=comparison.source,
            no_text=no_text,
            files=files,
            versions=environment.versions(),
            hardware=environment.hardware(),
            seconds=time.monotonic() - started,
            paths=[output / name for name in (*names, *REPORT_FILES)],
        )
        (folder / "report.json").write_text(report.to_json(), encoding="utf-8")
        (folder / "report.md").write_text(report.to_markdown(), encoding="utf-8")
    return report


def _text_input(checkpoint: Checkpoint, inputs: str | None, text_bytes: int | None) -> tuple[TextInput | None, str]:
    """Return the tokenizer that becomes part of the files, or why none does though nobody asked for ids alone."""
    if inputs not in (None, *INPUT_CHOICES):
        raise ValueError(f"inputs must be of {', '.join(INPUT_CHOICES)}, got {inputs!r}.")
    if inputs == "ids":
        if text_bytes is not None:
            raise ValueError("text_bytes is of files that take text: inputs='both' or 'text'.")
        return None, ""
    if inputs == "text" and checkpoint.task in WINDOWED_TASKS:
        raise ExportError("long texts are read in windows, which are made of ids; export with --input both")
    try:
        return text_input(checkpoint, budget=text_bytes), ""
    except ExportError as error:
        if inputs is not None or text_bytes is not None:
            raise
        return None, str(error.__cause__)


def _export(
    builder: TfliteBuilder | OnnxBuilder,
    recipe: Recipe,
    path: Path,
    comparison: Comparison,
    progress: Progress,
) -> FileReport:
    """Write the file of one format to `path` and return what was measured on it."""

    def done(steps: int) -> None:
        progress(f"export {builder.engine_format}", steps, 4)

    done(0)
    fp32 = builder.graph(RECIPES["fp32"])
    constants.check_weights(builder.checkpoint.model, fp32.constants)
    done(1)
    if recipe != RECIPES["fp32"]:
        _check_conversion(builder, fp32, comparison)
    graph = fp32 if recipe == RECIPES["fp32"] else builder.graph(recipe)
    constants.check_storage(recipe, graph.constants)
    path.write_bytes(builder.seal(graph, recipe))
    done(2)
    session = opened = load(path)
    if not builder.with_ids:  # the same graph with ids as its input is what can be held against Keras, step by step
        session = load(_with_ids(builder, graph, recipe, path))
    text = builder.text
    if text is not None:
        check_tokenizer(path, text, builder.checkpoint)
        check_answers(opened, session.engine, builder.checkpoint, comparison)
    found = parity.measure(session, comparison)
    gate.check_parity(recipe, found)
    done(3)
    lengths = sorted({int(statistics.median(comparison.lengths)), session.manifest.max_length})
    measured = FileReport(
        name=path.name,
        engine_format=builder.engine_format,
        size_bytes=path.stat().st_size,
        fp32_size_bytes=len(builder.seal(fp32, RECIPES["fp32"])),
        sha256=opened.manifest.sha256,
        parity=found,
        latency_ms=latency_ms(session, lengths),
        operators=graph.operators,
        text=None if text is None else measure_text_cost(path, text, session, with_ids=builder.with_ids),
    )
    done(4)
    return measured


def _with_ids(builder: TfliteBuilder | OnnxBuilder, graph: Graph, recipe: Recipe, path: Path) -> Path:
    """Write the file that takes ids instead of texts, into the work folder only."""
    twin = BUILDERS[builder.engine_format](builder.checkpoint, path.parent)
    target = path.with_name(f"ids-{path.name}")
    target.write_bytes(twin.seal(graph, recipe))
    return target


def _check_conversion(builder: TfliteBuilder | OnnxBuilder, fp32: Graph, comparison: Comparison) -> None:
    """Raise ExportError unless the graph is right before its weights are made smaller: what differs after is theirs."""
    engine = open_engine(fp32.content, builder.engine_format)
    gate.check_differences(RECIPES["fp32"], parity.largest_differences(engine, comparison))
