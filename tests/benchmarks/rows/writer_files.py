"""[C] Files that write: prompt and new tokens, greedy and with beams, beside CTranslate2 and transformers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from classifier import read_weights
from contest import OURS, PEERS, Bar, BenchmarkError, Contestant, Row
from making import make
from writer import BEAMS, NEW_TOKENS, PROMPT, SIZES, beginnings, next_logits, prompts, reference, some

ABOUT = f"""\
{NEW_TOKENS} tokens behind a prompt of {PROMPT}, batch 1, by a language model of 6 layers × 512 (8 heads, feed-forward
2048, vocabulary 32,000; GPT-2's equations): greedy, and with {BEAMS} beams. Everybody has the same random weights;
before the timing those in 32 bits must write the tokens of NumPy in 64 bits, and with beams those of transformers; of
those in 8 bits the logits behind 16 beginnings must have a cosine of at least 0.998 with NumPy's. Ours are the files
that `kerastx export` writes by default (`dynamic_wi8_afp32`, called int8 here) and with `--recipe fp32`."""
NOTES = (
    "What CTranslate2 computes with is its choice for the CPU (`CT2_VERBOSE=1` tells): MKL and packed weights on "
    "Intel, AVX2 and oneDNN on the AMD CPU of 2026-11-28. The ratio to it is the machine's as well as ours.",
    "Choosing tokens, and for beams ordering them, is part of the time on all sides; tokenizing is not.",
)
BARS = (
    Bar("litert-int8", "ct2-int8", "greedy", 2.5),
    Bar("litert-int8", "transformers", "greedy", 6.5),
    Bar("onnx-int8", "ct2-int8", "greedy", 2.0),
    *(Bar(ours, "ct2-fp32", "greedy", 1.25) for ours in ("litert-fp32", "onnx-fp32")),
    *(Bar(ours, "transformers", "greedy", 2.2) for ours in ("litert-fp32", "onnx-fp32")),
    Bar("litert-int8", "ct2-int8", "beams", 1.1),
)
TASK = "language_model"
# The cosine of what 8 bits make of random weights, whose near ties are broken another way in every library.
INT8 = {"tolerance": None, "min_cosine": 0.998, "arithmetic": "int8", "reference": "logits"}


def row(context) -> Row:
    """Return the row."""
    folder = context.folder / "writer"

    def prepare() -> Mapping[str, str]:
        options = {"task": TASK, "sizes": SIZES}
        make("writer_files.py", folder, options, python=context.pythons[OURS], ours=True)
        reason = make("ctranslate2_models.py", folder, options, python=context.pythons[PEERS])
        if missing := make("torch_beams.py", folder, options, python=context.pythons[PEERS]):
            raise BenchmarkError(f"nobody says what beams write: transformers is {missing}")
        return dict.fromkeys(("ct2-int8", "ct2-fp32"), reason) if reason else {}

    def references():
        weights = read_weights(folder)
        greedy = [reference(weights, SIZES, prompt, NEW_TOKENS) for prompt in prompts(SIZES)]
        beams = json.loads((folder / "beams.json").read_text(encoding="utf-8"))
        logits = some(np.stack([next_logits(weights, SIZES, row) for row in beginnings(SIZES)]))
        return {"exact": {"greedy": greedy, "beams": beams}, "logits": dict.fromkeys(("greedy", "beams"), logits)}

    return Row(
        name="writer_files",
        title="Files that write",
        about=ABOUT,
        unit="text",
        cases={"greedy": "greedy", "beams": f"{BEAMS} beams"},
        contestants=tuple(contestants(folder, TASK, SIZES)),
        bars=BARS,
        references=references,
        prepare=prepare,
        notes=NOTES,
        seconds_per_turn=1.0,
    )


def contestants(folder: Path, task: str, sizes: dict) -> Iterator[Contestant]:
    """Yield our files, CTranslate2 and, of a language model, transformers."""
    of = {"folder": str(folder), "sizes": sizes, "task": task}
    for engine, kind in (("litert", "tflite"), ("onnx", "onnx")):
        for number_format, recipe in (("int8", "dynamic_wi8_afp32"), ("fp32", "fp32")):
            yield _contestant(
                f"{engine}-{number_format}",
                f"kerastx .{kind} {number_format}",
                "kerastx_writer.py",
                {**of, "path": str(folder / "ours" / f"{task}-{recipe}.{kind}")},
                environment=OURS,
            )
    for number_format in ("int8", "fp32"):
        path = str(folder / f"ctranslate2-{number_format}")
        label = f"CTranslate2 {number_format}"
        yield _contestant(f"ct2-{number_format}", label, "ctranslate2_writer.py", {**of, "path": path})
    if task == TASK:
        yield _contestant("transformers", "transformers `generate` fp32", "torch_generation.py", of)


def _contestant(name: str, label: str, script: str, options: dict, **more) -> Contestant:
    is_int8 = name.endswith("int8")
    how = INT8 if is_int8 else {"tolerance": 0.0}
    options = {**options, "answers": "logits" if is_int8 else "tokens"}
    return Contestant(name=name, label=label, script=f"contestants/{script}", options=options, **how, **more)
