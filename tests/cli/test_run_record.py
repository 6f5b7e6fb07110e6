"""What stands beside a run, and that a run does not end for want of it."""

from __future__ import annotations

import json

import matplotlib.image
import numpy as np
import pytest
from small_classifier import LABELS, small_texts

from kerastx.cli import run_record
from kerastx.cli.run_record import EVENTS, LOG, PICTURE, LearningCurve, is_record, record_finetuning
from kerastx.training.callbacks import read_log, write_log

ROWS = [{"step": 5, "learning_rate": 1e-3, "loss": 1.0, "accuracy": 0.5}, {"step": 10, "loss": 0.5, "val_loss": 0.7}]


@pytest.mark.slow
def test_finetuning_leaves_its_log_and_curves_in_the_checkpoint(kerastx, classifier, tmp_path):
    texts = small_texts(64)
    lines = [f"{text}\t{LABELS[number % 3]}" for number, text in enumerate(texts)]
    for name, part in (("train.tsv", lines[:48]), ("dev.tsv", lines[48:])):
        (tmp_path / name).write_text("text\tlabel\n" + "\n".join(part) + "\n")
    output = tmp_path / "made"
    arguments = ("--train", tmp_path / "train.tsv", "--dev", tmp_path / "dev.tsv", "--from", classifier)
    sizes = ("--epochs", 2, "--batch-size", 8, "--max-length", 32)
    code, out, err = kerastx("finetune", "classify", *arguments, *sizes, "--output", output, "--json")
    assert code == 0, err
    rows = read_log(output / LOG)
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert [bool(row["val_accuracy"]) for row in rows] == ([False] * 5 + [True]) * 2
    assert json.loads(out)["accuracy"] == pytest.approx(float(rows[-1]["val_accuracy"]))
    assert len(list((output / EVENTS).iterdir())) == 1
    assert len(np.unique(matplotlib.image.imread(output / PICTURE).reshape(-1, 4), axis=0)) > 20


def test_what_cannot_be_written_is_said_in_a_line_each(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    record_finetuning(tmp_path / "file" / "folder", ROWS)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all("could not be written, the run goes on without it" in line for line in lines)


def test_a_curve_is_drawn_of_what_the_log_holds(tmp_path):
    curve = LearningCurve(tmp_path, {"unigram_entropy": 5.0})
    curve.on_train_end()  # of a run without a row
    assert list(tmp_path.iterdir()) == []
    write_log(tmp_path / LOG, [{"step": 50, "masked_lm_loss": 6.0, "learning_rate": 1e-4}])
    curve.on_train_end()
    first = (tmp_path / PICTURE).read_bytes()
    curve.draw({"steps": 50, "val_masked_lm_loss": 6.5})
    assert (tmp_path / PICTURE).read_bytes() != first


def test_a_curve_is_redrawn_every_two_minutes_only(tmp_path, monkeypatch):
    drawn, now = [], [1000.0]
    monkeypatch.setattr(run_record.time, "monotonic", lambda: now[0])
    curve = LearningCurve(tmp_path, {})
    monkeypatch.setattr(curve, "draw", lambda logs: drawn.append(now[0]))
    curve.on_train_begin()
    for now[0] in range(1000, 1400, 50):
        curve.on_epoch_end(0)
    assert drawn == [1150, 1300]


@pytest.mark.parametrize("error", [ImportError("no matplotlib"), OSError("disk full"), ValueError("singular")])
def test_a_drawing_that_fails_does_not_end_a_run(tmp_path, monkeypatch, capsys, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("kerastx.analysis.learning_curve.draw_pretraining", fail)
    write_log(tmp_path / LOG, [{"step": 50, "masked_lm_loss": 6.0}])
    LearningCurve(tmp_path, {}).draw({})
    assert capsys.readouterr().err.count("the run goes on without it") == 1


def test_names_of_a_run():
    assert all(map(is_record, (LOG, PICTURE, EVENTS, f".{LOG}.tmp-7", f".{PICTURE}.x.tmp")))
    assert not any(map(is_record, ("thesis.txt", "mylogs", "steps")))
