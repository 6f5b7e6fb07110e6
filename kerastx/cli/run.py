"""kerastx run: texts to answers, with an exported file and no TensorFlow."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import Json

LINES_AT_ONCE = 256
_LINE_ENDS = str.maketrans("\r\n", "  ")


def run(
    file: Annotated[Path, typer.Argument(help=".tflite or .onnx file made by `kerastx export`.")],
    text: Annotated[list[str] | None, typer.Argument(help="Texts; stdin lines when there are none.")] = None,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    json: Json = False,
) -> None:
    """Answer texts, one line each: label, probability, text.

    Example: `kerastx run build/export/classification-dynamic_wi8_afp32.onnx "What a lovely film."`
    """
    import json as json_module

    from kerastx.runtime.session import load

    session = load(file, threads=threads)
    for batch in _batches(text or _stdin_lines()):
        for line, answer in zip(batch, session(batch), strict=True):
            if json:
                values = {"text": line, "label": answer.label, "probability": round(answer.probability, 6)}
                probabilities = {name: round(value, 6) for name, value in answer.probabilities.items()}
                print(json_module.dumps({**values, "probabilities": probabilities}, ensure_ascii=False))
            else:
                print(f"{answer.label}\t{answer.probability:.4f}\t{line.translate(_LINE_ENDS)}")
        print(end="", flush=True)


def _stdin_lines() -> Iterator[str]:
    if sys.stdin is None:  # closed: `kerastx run ... <&-`
        return
    for raw in sys.stdin.buffer:
        # A byte that is not UTF-8 must not end a stream of thousands of lines; the replacement shows in the output.
        yield raw.decode("utf-8", errors="replace").rstrip("\r\n")


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    """Group lines, at once when a person types them, in hundreds when a pipe sends them."""
    size = 1 if sys.stdin is not None and sys.stdin.isatty() else LINES_AT_ONCE
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
