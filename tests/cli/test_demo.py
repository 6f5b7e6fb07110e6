"""The demo, end to end on a part of its rows: from Python's documentation to two files that answer."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kerastx.cli import demo_run
from kerastx.data.python_docs import write_labelled
from kerastx.runtime.session import load

TRAIN_ROWS, DEV_ROWS = 200, 60


@pytest.fixture
def fewer_rows(monkeypatch):
    """Let the demo fine-tune on a small part of its rows: eight epochs on all of them take minutes."""

    def write(folder):
        files = write_labelled(folder)
        for file, count in zip(files, (TRAIN_ROWS, DEV_ROWS), strict=True):
            header, *lines = file.read_text(encoding="utf-8").splitlines()
            kept = [lines[row * len(lines) // count] for row in range(count)]  # sorted by package: some of each
            file.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")
        return files

    monkeypatch.setattr(demo_run, "write_labelled", write)


@pytest.mark.slow
def test_the_demo_makes_what_it_shows_and_uses_finished_parts_again(kerastx, fewer_rows, tmp_path):
    command = ("demo", "--output", tmp_path / "demo", "--export", tmp_path / "export", "--steps", 4)
    code, out, err = kerastx(*command)
    assert code == 0, err
    files = sorted(path for path in (tmp_path / "export").iterdir() if path.suffix in (".tflite", ".onnx"))
    assert len(files) == 2
    story = (tmp_path / "export" / "demo.md").read_text(encoding="utf-8")
    for file in files:
        answers = load(file)(list(demo_run.SAMPLES))
        for text, answer in zip(demo_run.SAMPLES, answers, strict=True):
            (row,) = (line for line in story.splitlines() if line.startswith(f"| {text}"))
            assert f"{answer.label} {answer.probability:.2f}" in row
    logs = json.loads((tmp_path / "demo" / "pretrained" / "config.json").read_text())["training"]["logs"]
    assert logs["steps"] == 4
    assert f"masked-LM loss {logs['masked_lm_loss']:.2f} nats" in story
    assert f"of {DEV_ROWS} dev rows right" in story
    assert "From Python's documentation" in out

    parts = [tmp_path / "demo" / name / "model.safetensors" for name in ("pretrained", "classifier")]
    before = [(part.stat().st_mtime_ns, part.read_bytes()) for part in parts]
    answers = [load(file).predict_probabilities(demo_run.SAMPLES) for file in files]
    code, _, err = kerastx(*command)
    assert code == 0, err
    assert "pretrain" not in err
    assert [(part.stat().st_mtime_ns, part.read_bytes()) for part in parts] == before
    for file, expected in zip(files, answers, strict=True):
        np.testing.assert_allclose(load(file).predict_probabilities(demo_run.SAMPLES), expected, atol=1e-6)


def test_force_never_deletes_a_folder_that_is_not_a_demo(kerastx, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    code, out, err = kerastx("demo", "--output", tmp_path, "--export", tmp_path / "export", "--force")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == f"error: {tmp_path} is not the folder of a demo; it is not replaced"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]
