"""What a model writes, on its way to the terminal or to another program."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

from kerastx.artifact import ENGINE_FORMATS
from kerastx.cli.console import say
from kerastx.cli.lines import LINE_ENDS, batches, stdin_lines
from kerastx.errors import CheckpointError
from kerastx.runtime.decoding import GeneratedText
from kerastx.runtime.files import load
from kerastx.runtime.generation import Generator
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.writer import Writer

VERBS = {"language_model": "kerastx generate", "seq2seq": "kerastx translate or summarize"}


def run_writer(path: Path, texts: list[str] | None, settings: GenerationSettings, *, task: str, as_json: bool) -> None:
    """Write for each text, or for each line of stdin, and print it: in pieces where one is asked for at a time."""
    generator = _opened(path, task)
    goes_on = task == "language_model"
    _compile(generator, settings, in_pieces=bool(texts) and not as_json)
    start, count, first = time.monotonic(), 0, 0
    for batch in [[text] for text in texts] if texts else batches(stdin_lines()):
        if len(batch) == 1 and not as_json:
            count += _show(generator, batch[0], settings, goes_on=goes_on)
            continue
        for text, result in zip(batch, generator.generate(batch, settings, first=first), strict=True):
            print(_as_json(text, result) if as_json else _as_line(text, result, goes_on=goes_on))
            count += len(result.token_ids)
        print(end="", flush=True)
        first += len(batch)
    seconds = time.monotonic() - start
    say(f"{count:,} tokens in {seconds:.1f} s: {count / max(seconds, 1e-9):,.0f} tokens per second")


def _opened(path: Path, task: str) -> Generator:
    """Return what writes with a checkpoint, or with a file, which needs no TensorFlow."""
    if path.suffix.lower() in ENGINE_FORMATS:
        file = load(path)
        _check_task(path, task, file.manifest.task, "file")
        assert isinstance(file, Writer)  # its task says so
        return file.generator
    from kerastx.cli.quiet import import_tensorflow

    import_tensorflow("train")
    from kerastx.checkpoint.generating import generator_of
    from kerastx.sources import load_checkpoint

    checkpoint = load_checkpoint(path)
    _check_task(path, task, checkpoint.task, "checkpoint")
    return generator_of(checkpoint)


def _check_task(path: Path, task: str, found: str, kind: str) -> None:
    if found != task:
        way_out = f"; use {VERBS[found]}" if found in VERBS else ""
        raise CheckpointError(f"{path}: expected a {task} {kind}, found one for {found}{way_out}")


def _compile(generator: Generator, settings: GenerationSettings, *, in_pieces: bool) -> None:
    """Write one token, which compiles what all others need: that is no part of the speed."""
    shortest = dataclasses.replace(settings, max_new_tokens=1, min_new_tokens=0)
    if in_pieces:
        list(generator.stream("", shortest))
    else:
        generator.generate([""], shortest)


def _show(generator: Generator, text: str, settings: GenerationSettings, *, goes_on: bool) -> int:
    """Print a text piece by piece; return its number of tokens."""
    pieces = generator.stream(text, settings)
    if goes_on:
        print(text, end="", flush=True)
    count = 0
    for piece in pieces:
        if isinstance(piece, GeneratedText):
            count = len(piece.token_ids)
        else:
            print(piece if goes_on else piece.translate(LINE_ENDS), end="", flush=True)
    print(flush=True)
    return count


def _as_line(text: str, result: GeneratedText, *, goes_on: bool) -> str:
    return text + result.text if goes_on else result.text.translate(LINE_ENDS)


def _as_json(text: str, result: GeneratedText) -> str:
    values = {
        "text": text,
        "written": result.text,
        "finish": result.finish,
        "tokens": len(result.token_ids),
        "log_probability": round(result.log_probability, 6),
    }
    return json.dumps(values, ensure_ascii=False)
