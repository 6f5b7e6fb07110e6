"""CPU latency of the exported files in a folder, one against the other: `run.py build/export`.

Batch 1, one thread, the engine alone: full rows of random token ids, so tokenizing is not in the figures. The files
take turns, round after round, in alternating order, so that a machine that slows down slows all of them. What counts is
CPU time, which other programs lengthen less than the clock.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import kerastx
from kerastx.errors import KerastxError

LENGTHS = (16, 64, 128)
ROUNDS = 11
SECONDS_PER_TURN = 0.1
PACKAGES = ("kerastx", "numpy", "ai-edge-litert", "onnxruntime", "tokenizers")


def inputs_of(session, length: int) -> dict[str, np.ndarray]:
    """One full row of random token ids: token_ids, segment_ids int32 (1, T), padding_mask bool (1, T)."""
    tokenizer = session.tokenizer
    first = max(tokenizer.special_ids) + 1
    ids = np.random.default_rng(length).integers(first, tokenizer.vocabulary_size, (1, length))
    ids[0, 0], ids[0, -1] = tokenizer.cls_id, tokenizer.sep_id
    return {
        "token_ids": ids.astype(np.int32),
        "segment_ids": np.zeros((1, length), np.int32),
        "padding_mask": np.ones((1, length), bool),
    }


def cpu_ms(call: Callable[[], object], repeats: int) -> float:
    """Mean CPU time of one call over `repeats` of them, in ms."""
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) * 1000 / repeats


def take_turns(calls: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return CPU ms per call, one figure a round, for each of several things that take turns."""
    repeats = {}
    for name, call in calls.items():
        cpu_ms(call, 3)  # first calls allocate
        repeats[name] = max(3, round(SECONDS_PER_TURN * 1000 / max(cpu_ms(call, 3), 1e-3)))
    figures: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls)[:: -1 if number % 2 else 1]:
            figures[name].append(cpu_ms(calls[name], repeats[name]))
    return figures


def summary(figures: list[float]) -> dict[str, float]:
    """Median, quartiles and extremes of one row."""
    low, median, high = statistics.quantiles(figures, n=4)
    return {"median": median, "quartile_low": low, "quartile_high": high, "min": min(figures), "max": max(figures)}


def measure(paths: list[Path], lengths: tuple[int, ...] = LENGTHS, rounds: int = ROUNDS) -> list[dict]:
    """Return one row per file and length, with latency_ms summed up and size_bytes."""
    sessions = {path.name: kerastx.load(path, threads=1) for path in paths}
    limit = min(session.manifest.max_length for session in sessions.values())
    rows = []
    for length in sorted({min(length, limit) for length in lengths}):
        calls = {
            name: functools.partial(session.engine.run, inputs_of(session, length))
            for name, session in sessions.items()
        }
        for name, figures in take_turns(calls, rounds).items():
            size = next(path.stat().st_size for path in paths if path.name == name)
            rows.append({"file": name, "length": length, "size_bytes": size, "latency_ms": summary(figures)})
    return rows


def machine() -> dict[str, object]:
    """What the figures depend on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), cpu)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"cpu": cpu, "cores": os.cpu_count(), "load_average": load, "python": platform.python_version(), **versions}


def table(rows: list[dict]) -> str:
    """A table for people; the last column compares with the first file of the same length."""
    width = max(len(row["file"]) for row in rows)
    lines = [f"{'file':{width}}  tokens     MB   CPU ms (quartiles)      against the first"]
    first: dict[int, float] = {}
    for row in rows:
        latency = row["latency_ms"]
        base = first.setdefault(row["length"], latency["median"])
        spread = f"({latency['quartile_low']:.2f}-{latency['quartile_high']:.2f})"
        lines.append(
            f"{row['file']:{width}}  {row['length']:6}  {row['size_bytes'] / 1e6:5.2f}  "
            f"{latency['median']:7.2f} {spread:16}  {latency['median'] / base:6.2f}x"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="CPU latency of exported files, batch 1, one thread")
    parser.add_argument("folder", type=Path, help="holds .tflite and .onnx files")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    paths = sorted([*options.folder.glob("*.tflite"), *options.folder.glob("*.onnx")], key=lambda path: path.suffix)
    if not paths:
        print(f"error: {options.folder} holds no .tflite or .onnx file; run `make export`", file=sys.stderr)
        return 1
    try:
        rows = measure(paths, rounds=options.rounds)
    except KerastxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    about = machine()
    print(table(rows))
    print(
        f"\nbatch 1, 1 thread, {options.rounds} alternating rounds of {SECONDS_PER_TURN} s; {about['cpu']}, "
        f"load {about['load_average']:.1f} of {about['cores']} cores"
    )
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"machine": about, "rounds": options.rounds, "rows": rows}, indent=2)
        options.output.write_text(text + "\n", encoding="utf-8")
        print(f"figures: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
