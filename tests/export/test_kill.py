"""`kerastx export` is killed in the middle: nothing half-made is in the output, and the next export cleans up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kerastx.checkpoint.store import save_checkpoint
from kerastx.runtime.session import load
from kerastx_export.export import export_checkpoint


def start_and_kill(checkpoint: Path, output: Path, *, when: Callable[[Path], bool]) -> Path:
    """Start an export, kill it as soon as `when` holds for its hidden folder, and return that folder."""
    command = [sys.executable, "-c", "from kerastx.cli.app import main; main()", "export", str(checkpoint)]
    process = subprocess.Popen(
        [*command, "--output", str(output), "--recipe", "fp32"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    hidden = output.with_name(f".{output.name}.tmp-{process.pid}")
    try:
        deadline = time.monotonic() + 200
        while not when(hidden):
            assert process.poll() is None, "the export ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    return hidden


def check_that_the_next_export_works(checkpoint, output: Path, hidden: Path) -> None:
    report = export_checkpoint(checkpoint, output, formats=["onnx"], recipe="fp32", inputs="ids")
    assert not hidden.exists()
    assert sorted(path.name for path in output.parent.iterdir()) == ["checkpoint", "out"]
    assert load(output / "classification-fp32.onnx").manifest.sha256 == report.files[0].sha256


@pytest.fixture
def saved(small, tmp_path) -> Path:
    return save_checkpoint(tmp_path / "checkpoint", small)


def test_a_killed_export_leaves_no_output_and_the_next_one_works(small, saved, tmp_path):
    output = tmp_path / "out"
    hidden = start_and_kill(saved, output, when=Path.exists)
    assert hidden.is_dir()
    assert not output.exists()
    check_that_the_next_export_works(small, output, hidden)


@pytest.mark.slow
def test_an_older_export_survives_a_kill_between_two_files(small, saved, tmp_path):
    output = tmp_path / "out"
    export_checkpoint(small, output, formats=["onnx"], recipe="fp16", inputs="ids")
    (output / "report.json").rename(output / "old.json")
    (output / "report.md").rename(output / "old.md")
    before = {path.name: path.read_bytes() for path in output.iterdir()}

    hidden = start_and_kill(saved, output, when=lambda folder: (folder / "classification-fp32.tflite").exists())
    assert (hidden / "classification-fp32.tflite").exists()
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    check_that_the_next_export_works(small, output, hidden)
    assert before.items() <= {path.name: path.read_bytes() for path in output.iterdir()}.items()
