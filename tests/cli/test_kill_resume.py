"""A pretraining process is killed and resumed: the losses are those of an unbroken run, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import matplotlib.image
import numpy as np
import pytest

from kerastx.data.prepare import prepare
from kerastx.training.callbacks import read_log

STEPS = 40
SAVE_EVERY = 10
WORDS = "river stone light water bird green house small old man walks sees over under near far away home".split()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kill")
    lines = []
    for document in range(30):
        for sentence in range(6):
            words = [WORDS[(document * 7 + sentence * 3 + k * (document % 5 + 1)) % len(WORDS)] for k in range(8)]
            lines.append(" ".join(words).capitalize() + ".")
        lines.append("")
    (folder / "corpus.txt").write_text("\n".join(lines))
    prepare([folder / "corpus.txt"], folder / "store", vocabulary_size=120)
    return folder / "store"


def command(store, output, *more: str) -> list[str]:
    sizes = ["--preset", "tiny", "--batch-size", "4", "--max-length", "16", "--steps", str(STEPS)]
    saving = ["--save-every", str(SAVE_EVERY), "--keep", "2"]
    verb = [sys.executable, "-c", "from kerastx.cli.app import main; main()", "pretrain"]
    return [*verb, "--data", str(store), "--output", str(output), *sizes, *saving, *more]


def run(arguments: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def unbroken(store, tmp_path_factory):
    output = tmp_path_factory.mktemp("unbroken") / "run"
    result = run(command(store, output))
    assert result.returncode == 0, result.stderr
    return output


def without_speed(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if k not in ("tokens_per_second", "wait_share")} for row in rows]


def start_and_kill(store, output, *more: str) -> None:
    """Start a run and send SIGKILL as soon as its second checkpoint stands."""
    process = subprocess.Popen(command(store, output, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    awaited = output / "steps" / f"step-{2 * SAVE_EVERY:09d}"
    deadline = time.monotonic() + 200
    while not awaited.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (output / "config.json").exists()


def test_a_killed_and_resumed_run_has_the_losses_of_an_unbroken_one(store, unbroken, tmp_path):
    output = tmp_path / "run"
    start_and_kill(store, output)
    # The newest checkpoint of a crash may be damaged too: the one before it must do.
    newest = sorted((output / "steps").glob("step-*"))[-1]
    damaged = newest / "model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-50])
    result = run(command(store, output, "--resume"))
    assert result.returncode == 0, result.stderr
    assert "truncated or altered" in result.stderr
    assert "resuming at step" in result.stderr

    expected, found = (without_speed(read_log(folder / "training.csv")) for folder in (unbroken, output))
    assert len(expected) == STEPS // SAVE_EVERY
    assert found == expected
    assert scalar_steps(output / "logs") == [int(row["step"]) for row in found]
    weights = [(folder / "model.safetensors").read_bytes() for folder in (unbroken, output)]
    assert weights[0] == weights[1]


def scalar_steps(folder) -> list[int]:
    """Return the steps of the one event file that is there for TensorBoard."""
    import tensorflow as tf

    (file,) = folder.iterdir()
    events = [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
    return [event.step for event in events if not event.file_version]


def test_a_run_has_its_curves_beside_it(unbroken):
    assert scalar_steps(unbroken / "logs") == [10, 20, 30, 40]
    picture = matplotlib.image.imread(unbroken / "learning_curve.png")
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 20


def test_a_finished_run_is_not_overwritten_and_not_resumed_with_other_settings(store, unbroken):
    before = (unbroken / "model.safetensors").read_bytes()
    result = run(command(store, unbroken))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "continue it with --resume, or replace it with --force" in result.stderr
    result = run(command(store, unbroken, "--resume", "--seed", "9"))
    assert result.returncode == 1
    assert "cannot resume with other settings: seed was 1, is 9" in result.stderr
    assert (unbroken / "model.safetensors").read_bytes() == before


def test_a_finished_run_says_how_good_it_became(unbroken):
    training = json.loads((unbroken / "config.json").read_text())["training"]
    assert training["logs"]["steps"] == STEPS
    assert 0 < training["logs"]["unigram_entropy"] < 6
    assert len(list((unbroken / "steps").iterdir())) == 2


def test_a_finished_run_keeps_its_scores_when_it_is_resumed(store, unbroken):
    before = json.loads((unbroken / "config.json").read_text())["training"]["logs"]
    assert run(command(store, unbroken, "--resume")).returncode == 0
    after = json.loads((unbroken / "config.json").read_text())["training"]["logs"]
    assert after["masked_lm_loss"] == pytest.approx(before["masked_lm_loss"], rel=1e-6)
    assert after["steps"] == before["steps"]


@pytest.mark.parametrize("wrong", [("--data", "nowhere"), ("--seed", "-1")])
def test_force_with_a_mistake_deletes_nothing(store, unbroken, wrong):
    before = {path: path.read_bytes() for path in unbroken.rglob("*") if path.is_file()}
    result = run(command(store, unbroken, "--force", *wrong))
    assert result.returncode in (1, 2)
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert {path: path.read_bytes() for path in unbroken.rglob("*") if path.is_file()} == before


def newest_step(output) -> int:
    return max((int(folder.name.split("-")[1]) for folder in (output / "steps").glob("step-*")), default=0)


@pytest.mark.slow
def test_ten_kills_at_random_moments_leave_no_trace_in_the_losses(store, tmp_path):
    """Two fall into the start of the process, the others somewhere between and in the middle of two checkpoints."""
    more = ("--steps", "240", "--save-every", "5")
    whole, output = tmp_path / "whole", tmp_path / "run"
    result = run(command(store, whole, *more))
    assert result.returncode == 0, result.stderr
    moments = random.Random(7)
    for kill in range(10):
        resume = ("--resume",) if output.exists() else ()
        process = subprocess.Popen(
            command(store, output, *more, *resume), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        if kill % 5 == 4:
            time.sleep(moments.uniform(0.0, 4.0))
        else:
            goal = newest_step(output) + 5 * moments.randint(1, 4)
            while newest_step(output) < goal:
                assert process.poll() is None, process.stderr.read().decode()
                time.sleep(0.001)
            time.sleep(moments.uniform(0.0, 0.1))
        process.kill()
        process.communicate()
    assert 0 < newest_step(output) < 240
    result = run(command(store, output, *more, "--resume"))
    assert result.returncode == 0, result.stderr
    expected, found = (without_speed(read_log(folder / "training.csv")) for folder in (whole, output))
    assert len(expected) == 48
    assert found == expected
    weights = [(folder / "model.safetensors").read_bytes() for folder in (whole, output)]
    assert weights[0] == weights[1]
    assert not list((output / "steps").glob(".*"))  # what killed processes left behind is gone
