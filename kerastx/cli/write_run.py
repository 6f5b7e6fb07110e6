"""What a model writes, on its way to the terminal or to another program."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path

from kerastx.checkpoint.generating import generate, stream
from kerastx.checkpoint.store import Checkpoint
from kerastx.cli.console import say
from kerastx.cli.lines import LINE_ENDS, batches, stdin_lines
from kerastx.errors import CheckpointError
from kerastx.runtime.decoding import GeneratedText
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.sources import load_checkpoint

VERBS = {"language_model": "kerastx generate", "seq2seq": "kerastx translate or summarize"}


def run_writer(path: Path, texts: list[str] | None, settings: GenerationSettings, *, task: str, as_json: bool) -> None:
    """Write for each text, or for each line of stdin, and print it: in pieces where one is asked for at a time."""
    checkpoint = load_checkpoint(path)
    if checkpoint.task != task:
        way_out = f"; use {VERBS[checkpoint.task]}" if checkpoint.task in VERBS else ""
        raise CheckpointError(f"{path}: expected a {task} checkpoint, found one for {checkpoint.task}{way_out}")
    _compile(checkpoint, settings, in_pieces=bool(texts) and not as_json)
    start, count, first = time.monotonic(), 0, 0
    for batch in [[text] for text in texts] if texts else batches(stdin_lines()):
        if len(batch) == 1 and not as_json:
            count += _show(checkpoint, batch[0], settings)
            continue
        for text, result in zip(batch, generate(checkpoint, batch, settings, first=first), strict=True):
            print(_as_json(text, result) if as_json else _as_line(checkpoint, text, result))
            count += len(result.token_ids)
        print(end="", flush=True)
        first += len(batch)
    seconds = time.monotonic() - start
    say(f"{count:,} tokens in {seconds:.1f} s: {count / max(seconds, 1e-9):,.0f} tokens per second")


def _compile(checkpoint: Checkpoint, settings: GenerationSettings, *, in_pieces: bool) -> None:
    """Write one token, which compiles what all others need: that is no part of the speed."""
    shortest = dataclasses.replace(settings, max_new_tokens=1, min_new_tokens=0)
    if in_pieces:
        list(stream(checkpoint, "", shortest))
    else:
        generate(checkpoint, [""], shortest)


def _show(checkpoint: Checkpoint, text: str, settings: GenerationSettings) -> int:
    """Print a text piece by piece; return its number of tokens."""
    pieces: Iterator[str | GeneratedText] = stream(checkpoint, text, settings)
    is_continued = checkpoint.task == "language_model"
    if is_continued:
        print(text, end="", flush=True)
    count = 0
    for piece in pieces:
        if isinstance(piece, GeneratedText):
            count = len(piece.token_ids)
        else:
            print(piece if is_continued else piece.translate(LINE_ENDS), end="", flush=True)
    print(flush=True)
    return count


def _as_line(checkpoint: Checkpoint, text: str, result: GeneratedText) -> str:
    if checkpoint.task == "language_model":
        return text + result.text
    return result.text.translate(LINE_ENDS)


def _as_json(text: str, result: GeneratedText) -> str:
    values = {
        "text": text,
        "written": result.text,
        "finish": result.finish,
        "tokens": len(result.token_ids),
        "log_probability": round(result.log_probability, 6),
    }
    return json.dumps(values, ensure_ascii=False)
