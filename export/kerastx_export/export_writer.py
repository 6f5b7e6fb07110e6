"""A checkpoint that writes -> verified files: the order of the steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.artifact import read_artifact
from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ExportError
from kerastx.runtime.writer import Writer, open_writer
from kerastx_export import constants, environment, step_parity
from kerastx_export.latency import median_ms
from kerastx_export.recipes import RECIPES, Recipe
from kerastx_export.step_builder import STEP_BUILDERS, OnnxStepBuilder, TfliteStepBuilder
from kerastx_export.workspace import workspace
from kerastx_export.writer_comparison import HeldData, WriterComparison
from kerastx_export.writer_report import WriterFile, WriterReport
from kerastx_export.writer_text import WriterText
from kerastx_export.writer_text_check import check_writer_text

REPORT_FILES = ("report.json", "report.md")
PROMPT = 32
Progress = Callable[[str, int, int], None]


def export_writer(
    checkpoint: Checkpoint,
    output: Path,
    text: WriterText,
    *,
    formats: Sequence[str],
    recipe: Recipe,
    dev: HeldData | None,
    loop: bool,
    force: bool,
    progress: Progress,
) -> WriterReport:
    """Write a language model or an encoder-decoder as files that generate; see `kerastx_export.export`."""
    started = time.monotonic()
    if loop and "tflite" not in formats:
        raise ExportError("a loop is for .tflite files: --formats tflite")
    comparison = WriterComparison(checkpoint, dev)
    names = [f"{checkpoint.task}-{recipe.name}.{kind}" for kind in formats]
    with workspace(output, [*names, *REPORT_FILES], force=force) as folder:
        files = [
            _export(
                STEP_BUILDERS[kind](checkpoint, folder, text, loop=loop), recipe, folder / name, comparison, progress
            )
            for kind, name in zip(formats, names, strict=True)
        ]
        report = WriterReport(
            task=checkpoint.task,
            parameters=checkpoint.model.count_params(),
            recipe=recipe,
            compared_on=comparison.source,
            files=files,
            no_text=text.no_text,
            no_detokenizer=text.no_detokenizer,
            versions=environment.versions(),
            hardware=environment.hardware(),
            seconds=time.monotonic() - started,
            paths=[output / name for name in (*names, *REPORT_FILES)],
        )
        (folder / "report.json").write_text(report.to_json(), encoding="utf-8")
        (folder / "report.md").write_text(report.to_markdown(), encoding="utf-8")
    return report


def _export(
    builder: TfliteStepBuilder | OnnxStepBuilder,
    recipe: Recipe,
    path: Path,
    comparison: WriterComparison,
    progress: Progress,
) -> WriterFile:
    def done(steps: int) -> None:
        progress(f"export {builder.engine_format}", steps, 3)

    done(0)
    if recipe != RECIPES["fp32"]:
        _check_conversion(builder, path)
    done(1)
    graph = builder.graph(recipe)
    constants.check_storage(recipe, graph.constants)
    path.write_bytes(builder.seal(graph, recipe))
    done(2)
    writer = open_writer(read_artifact(path))
    parity = comparison.measure(
        writer, recipe, lambda phase, rows, total: progress(f"{builder.engine_format}: {phase}", rows, total)
    )
    text = check_writer_text(path, builder.checkpoint, builder.text)
    prompt_ms, token_ms = _times(writer)
    done(3)
    return WriterFile(
        name=path.name,
        engine_format=builder.engine_format,
        size_bytes=path.stat().st_size,
        sha256=writer.manifest.sha256,
        parity=parity.steps,
        greedy=parity.greedy,
        held=parity.held,
        prompt_ms=prompt_ms,
        token_ms=token_ms,
        operators=graph.operators,
        text=text,
    )


def _check_conversion(builder: TfliteStepBuilder | OnnxStepBuilder, path: Path) -> None:
    """Raise ExportError unless the graph is right before its weights are made smaller: what differs after is theirs."""
    fp32 = RECIPES["fp32"]
    twin = path.with_name(f"fp32-{path.name}")
    twin.write_bytes(builder.seal(builder.graph(fp32), fp32))
    writer = open_writer(read_artifact(twin))
    step_parity.check(fp32, step_parity.compare(builder.checkpoint, writer.steps))
    twin.unlink()


def _times(writer: Writer) -> tuple[float, float]:
    """Return the median CPU milliseconds of a prompt and of a token behind it."""
    steps, length = writer.steps, min(PROMPT, writer.vocabularies.places - 1)
    token_ids = np.random.default_rng(0).integers(0, writer.vocabularies.tokenizer.vocabulary_size, (1, length))
    token_ids = token_ids.astype(np.int32)
    positions = np.arange(length, dtype=np.int32)[None]
    source = {}
    if writer.vocabularies.source_tokenizer is not None:
        source = steps.encode(token_ids, np.ones(token_ids.shape, bool))
    cache = steps.empty_cache(1, length + 1)

    # The same tokens into the same slots, again and again.
    def read_prompt() -> Any:
        return steps.step(token_ids, positions, cache, first_slot=0, source=source)

    _, after = read_prompt()
    last = token_ids[:, -1:], np.array([[length]], np.int32)
    return (
        median_ms(read_prompt),
        median_ms(lambda: steps.step(*last, after, first_slot=length, source=source)),
    )
