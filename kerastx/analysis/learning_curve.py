"""How a run went, as one picture: losses, accuracies, learning rate and speed over the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.analysis.drawing import COLORS, clean, new_figure, save_figure

SMOOTHED_FROM = 30  # rows; fewer are shown as they are
SMOOTHED_SHARE = 15  # the mean of so many parts of the curve

Rows = Sequence[Mapping[str, float]]


def draw_pretraining(rows: Rows, path: Path, *, title: str, results: Mapping[str, float]) -> None:
    """Draw the loss beside the unigram entropy, what else was learned, the rate and the speed.

    Args:
        rows: of the log of an encoder or a language model, each with "step".
        path: the PNG.
        title: of the picture.
        results: what is known besides: "unigram_entropy", and "val_" names with "steps" at the end of a run.
    """
    figure = new_figure(title, width=12, height=7)
    grid = figure.add_gridspec(3, 2, width_ratios=[1.7, 1])
    loss = figure.add_subplot(grid[:, 0])
    masked = any("masked_lm_loss" in row for row in rows)
    name = "masked_lm_loss" if masked else "loss"
    _curve(loss, rows, name, "masked-LM loss, training batches" if masked else "training batches")
    if "unigram_entropy" in results:
        entropy = results["unigram_entropy"]
        loss.axhline(entropy, color=COLORS["faint"], linestyle="--", linewidth=1.2)
        loss.annotate(f"knowing only word frequencies: {entropy:.2f}", (1, entropy), (-4, 4),
            xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", fontsize=9)  # fmt: skip
    _held_out(loss, rows, results, name)
    _finish(loss, "Masked words" if masked else "Next tokens", f"nats per {'masked ' if masked else ''}token")
    beside = figure.add_subplot(grid[0, 1], sharex=loss)
    if masked:
        _draw_next_sentence(beside, rows, results)
    else:
        _curve(beside, rows, "accuracy", "training batches", scale=100.0)
        _finish(beside, "Next tokens that were the most probable", "%")
    _draw_rate(figure.add_subplot(grid[1, 1], sharex=loss), rows)
    _draw_speed(figure.add_subplot(grid[2, 1], sharex=loss), rows)
    save_figure(figure, path)


def _draw_next_sentence(axes: Any, rows: Rows, results: Mapping[str, float]) -> None:
    _curve(axes, rows, "next_sentence_loss", "training batches")
    axes.axhline(math.log(2), color=COLORS["faint"], linestyle="--", linewidth=1.2, label="guessing: ln 2")
    _held_out(axes, rows, results, "next_sentence_loss")
    _finish(axes, "Next sentence", "nats")


def _draw_speed(axes: Any, rows: Rows) -> None:
    _curve(axes, rows, "tokens_per_second", "", smooth=False)
    _finish(axes, "Speed", "tokens per second")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def draw_finetuning(rows: Rows, path: Path, *, title: str) -> None:
    """Draw loss, accuracy where there is one, and learning rate; "val_" names are of held-out rows, as points."""
    figure = new_figure(title, width=12, height=6)
    grid = figure.add_gridspec(3, 2)
    loss = figure.add_subplot(grid[:, 0])
    _curve(loss, rows, "loss", "train")
    _held_out_points(loss, rows, "val_loss")
    has_accuracy = any("accuracy" in row for row in rows)
    _finish(loss, "Loss", "nats per text" if has_accuracy else "squared error, in variances of the scores")
    if has_accuracy:
        accuracy = figure.add_subplot(grid[:2, 1], sharex=loss)
        _curve(accuracy, rows, "accuracy", "train", scale=100.0)
        _held_out_points(accuracy, rows, "val_accuracy", scale=100.0)
        _finish(accuracy, "Accuracy", "% of the texts")
    _draw_rate(figure.add_subplot(grid[2, 1] if has_accuracy else grid[:, 1], sharex=loss), rows)
    save_figure(figure, path)


def _draw_rate(axes: Any, rows: Rows) -> None:
    _curve(axes, rows, "learning_rate", "", smooth=False)
    _finish(axes, "Learning rate", "")
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))


def _curve(axes: Any, rows: Rows, name: str, label: str, *, smooth: bool = True, scale: float = 1.0) -> None:
    steps, values = _series(rows, name, scale)
    if smooth and len(steps) >= SMOOTHED_FROM:
        axes.plot(steps, values, color=COLORS["main"], alpha=0.3, linewidth=1)
        width = max(2, len(steps) // SMOOTHED_SHARE)
        half = width // 2
        means = [float(np.mean(values[max(0, row - half) : row + half + 1])) for row in range(len(values))]
        axes.plot(steps, means, color=COLORS["main"], linewidth=2, label=f"{label}, mean of {2 * half + 1} rows")
    else:
        marker = "o" if len(steps) < SMOOTHED_FROM // 2 else ""
        axes.plot(steps, values, color=COLORS["main"], linewidth=1.6, marker=marker, markersize=3, label=label)


def _series(rows: Rows, name: str, scale: float = 1.0) -> tuple[list[float], list[float]]:
    """Return steps and values of the rows that have a finite value."""
    found = [(row["step"], scale * row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]
    return [step for step, _ in found], [value for _, value in found]


def _held_out_points(axes: Any, rows: Rows, name: str, *, scale: float = 1.0) -> None:
    steps, values = _series(rows, name, scale)
    if steps:
        axes.plot(steps, values, color=COLORS["second"], linewidth=1.6, marker="o", markersize=6, label="held out")
        axes.annotate(f"{values[-1]:.2f}" if scale == 1.0 else f"{values[-1]:.1f}", (steps[-1], values[-1]), (0, 8),
            textcoords="offset points", ha="right", fontsize=9, color=COLORS["second"])  # fmt: skip


def _held_out(axes: Any, rows: Rows, results: Mapping[str, float], name: str) -> None:
    """Mark the last score on documents that were held out: one of the rows', or that of the end."""
    steps, values = _series(rows, f"val_{name}")
    if f"val_{name}" in results:
        steps, values = [*steps, results["steps"]], [*values, results[f"val_{name}"]]
    if not steps:
        return
    axes.plot(steps, values, color=COLORS["second"], marker="D", markersize=7, linewidth=1.6,
        label=f"held-out documents: {values[-1]:.2f}", zorder=3)  # fmt: skip


def _finish(axes: Any, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("step", fontsize=9)
    axes.set_ylabel(unit)
    axes.grid(alpha=0.25)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.locator_params(axis="x", nbins=7)
    axes.set_xlim(left=0)
    clean(axes)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=9)
