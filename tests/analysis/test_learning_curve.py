from __future__ import annotations

import math

import matplotlib.image
import numpy as np
import pytest

from kerastx.analysis.drawing import COLORS
from kerastx.analysis.learning_curve import draw_finetuning, draw_pretraining


def pixels(path, color: str) -> int:
    """Return how many pixels have this color, or nearly: thin lines are blended with what is below them."""
    wanted = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    picture = np.round(matplotlib.image.imread(path)[..., :3] * 255).astype(int)
    return int((abs(picture - wanted) < 12).all(-1).sum())


def pretraining_rows(count: int) -> list[dict[str, float]]:
    return [
        {
            "step": 50.0 * row,
            "learning_rate": 1e-4 * row,
            "masked_lm_loss": 7.0 - row / count,
            "next_sentence_loss": 0.7,
            "tokens_per_second": 5000.0,
        }
        for row in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [1, 80])
def test_a_pretraining_curve_has_its_line_and_its_held_out_score(tmp_path, count):
    file = tmp_path / "curve.png"
    results = {"unigram_entropy": 6.8, "steps": 50 * count, "val_masked_lm_loss": 6.1, "val_next_sentence_loss": 0.6}
    draw_pretraining(pretraining_rows(count), file, title="run", results=results)
    assert pixels(file, COLORS["second"]) > 100
    assert pixels(file, COLORS["faint"]) > 100
    assert pixels(file, COLORS["main"]) > 20


def test_rows_may_lack_values_and_hold_nan(tmp_path):
    rows = [{"step": 1.0}, {"step": 2.0, "masked_lm_loss": math.nan, "loss": math.inf}]
    draw_pretraining(rows, tmp_path / "pre.png", title="run", results={"unigram_entropy": 6.8})
    draw_finetuning(rows, tmp_path / "fine.png", title="run")
    assert {path.name for path in tmp_path.iterdir()} == {"pre.png", "fine.png"}


def test_a_finetuning_curve_has_the_dev_scores_where_there_are_some(tmp_path):
    file = tmp_path / "curve.png"
    rows = [{"step": 10.0 * row, "learning_rate": 1e-4, "loss": 1 / row, "accuracy": row / 9} for row in range(1, 9)]
    for row in rows[3::4]:
        row |= {"val_loss": 0.8, "val_accuracy": 0.5}
    draw_finetuning(rows, file, title="run")
    assert pixels(file, COLORS["second"]) > 100
