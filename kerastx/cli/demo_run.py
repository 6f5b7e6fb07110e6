"""The whole line on the embedded data: corpus, store, pretraining, classifier, files, answers."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from kerastx.checkpoint.store import load_checkpoint
from kerastx.cli.console import progress
from kerastx.cli.finetune_run import FinetuneRequest, run_finetuning
from kerastx.cli.pretrain_request import PretrainRequest
from kerastx.cli.pretrain_run import run_pretraining
from kerastx.data.prepare import prepare
from kerastx.data.python_docs import write_corpus, write_labelled
from kerastx.data.readers import read_labelled
from kerastx.errors import CheckpointError
from kerastx.runtime.session import load
from kerastx_export.export import export_checkpoint
from kerastx_export.report import Report

VOCABULARY_SIZE = 8000
SAMPLES = (
    "Return the message payload as a list of header lines.",
    "Wait until the future is done and return its result.",
    "Extract all members from the archive to the given directory.",
    "Compute the square root and round it to the precision of the context.",
    "Parse an element tree from the given file object.",
)


def run_demo(output: Path, export: Path, *, steps: int, recipe: str, force: bool, show_report: bool) -> None:
    """Make what is missing below `output`, export it to `export`, and say how good each part is."""
    started = time.monotonic()
    if force:
        _remove(output)
    output.mkdir(parents=True, exist_ok=True)
    _prepare(output)
    pretraining = _pretrain(output, steps)
    scores = _finetune(output)
    dev = output / "labelled" / "dev.tsv"
    checkpoint = load_checkpoint(output / "classifier")
    with progress() as report_progress:
        report = export_checkpoint(
            checkpoint,
            export,
            recipe=recipe,
            dev=read_labelled(dev, labels=checkpoint.labels),
            force=True,
            progress=report_progress,
        )
    assert isinstance(report, Report)  # a classifier answers
    story = _story(pretraining, scores, report, time.monotonic() - started)
    (export / "demo.md").write_text(story, encoding="utf-8")
    console = Console()
    console.print(Markdown(story))
    if show_report:
        console.print(Markdown((export / "report.md").read_text(encoding="utf-8")))


def _remove(output: Path) -> None:
    if not output.exists():
        return
    if any(output.iterdir()) and not (output / "corpus").is_dir():
        raise CheckpointError(f"{output} is not the folder of a demo; it is not replaced")
    shutil.rmtree(output)


def _prepare(output: Path) -> None:
    if (output / "store").exists():
        return
    corpus = output / "corpus"
    corpus.mkdir(exist_ok=True)
    with progress() as report:
        report("read docstrings", 0, 1)
        write_corpus(corpus)
        write_labelled(output / "labelled")
        report("read docstrings", 1, 1)
        prepare([corpus], output / "store", vocabulary_size=VOCABULARY_SIZE, documents="heading", progress=report)


def _pretrain(output: Path, steps: int) -> dict[str, float]:
    folder = output / "pretrained"
    if not (folder / "config.json").exists():
        request = PretrainRequest(
            data=output / "store",
            output=folder,
            preset="mini",
            steps=steps,
            batch_size=16,
            max_length=64,
            learning_rate=5e-4,
            dropout_rate=0.0,  # minutes of training underfit: noise in the layers only slows them
            save_every=100,
            keep=1,
            resume=True,
        )
        run_pretraining(request)
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))["training"]["logs"]


def _finetune(output: Path) -> dict[str, float]:
    folder, scores_file = output / "classifier", output / "scores.json"
    if not (folder.exists() and scores_file.exists()):
        scores = run_finetuning(
            FinetuneRequest(
                train=output / "labelled" / "train.tsv",
                dev=output / "labelled" / "dev.tsv",
                start=str(output / "pretrained"),
                output=folder,
                epochs=8,
                learning_rate=5e-4,
                max_length=64,
                hold_out=0.0,  # the toy has few rows
                force=True,
            )
        )
        scores_file.write_text(json.dumps(scores), encoding="utf-8")
    return json.loads(scores_file.read_text(encoding="utf-8"))


def _story(pretraining: dict[str, float], scores: dict[str, float], report: Report, seconds: float) -> str:
    return "\n".join(
        [
            "# From Python's documentation to two files that answer",
            "",
            "| step | result |",
            "| --- | --- |",
            f"| pretraining | {pretraining['steps']:,} steps, masked-LM loss {pretraining['masked_lm_loss']:.2f} nats "
            f"({pretraining.get('val_masked_lm_loss', float('nan')):.2f} held out); "
            f"knowing only word frequencies gives {pretraining['unigram_entropy']:.2f} |",
            f"| classifier | {scores['accuracy']:.1%} of {scores['rows']:,} dev rows right; "
            f"always the largest class {scores['majority_share']:.1%}, "
            f"TF-IDF + logistic regression {scores['baseline_accuracy']:.1%} |",
            f"| time | {seconds / 60:.1f} min on this machine |",
            "",
            report.table(),
            "",
            "Which package is this docstring from? Answers of the files themselves:",
            "",
            _answers([path for path in report.paths if path.suffix in (".tflite", ".onnx")]),
            "",
            "The data is a toy that every Python has; no claim about quality is made from it.",
            "",
        ]
    )


def _answers(files: list[Path]) -> str:
    answers = [load(file)(list(SAMPLES)) for file in files]
    lines = [
        "| text | " + " | ".join(file.suffix for file in files) + " |",
        "| --- |" + " --- |" * len(files),
    ]
    for text, *found in zip(SAMPLES, *answers, strict=True):
        lines.append(f"| {text} | " + " | ".join(f"{answer.label} {answer.probability:.2f}" for answer in found) + " |")
    return "\n".join(lines)
