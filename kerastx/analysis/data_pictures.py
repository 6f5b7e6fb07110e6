"""The data report as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.analysis.drawing import COLORS, bars, clean, new_figure, save_figure
from kerastx.data.labelled_report import LabelledReport, Part
from kerastx.data.lengths import Lengths
from kerastx.data.store_report import RARE, StoreReport

SHOWN_LABELS = 25
SHOWN_TOKENS = 20
LINEAR_BINS = 60
LOG_BINS = 50
_PART_COLORS = (COLORS["main"], COLORS["second"])


def draw_labelled(report: LabelledReport, path: Path) -> None:
    """Draw labels, lengths and repeats of labelled rows into a PNG."""
    parts = {"train": report.train, **({"dev": report.dev} if report.dev else {})}
    num_bars = min(len(report.label_names), SHOWN_LABELS + 1)
    figure = new_figure(_labelled_title(parts), width=12, height=max(6.0, 2.0 + 0.23 * num_bars))
    left, right = figure.subfigures(1, 2, width_ratios=[1.1, 1])
    _draw_labels(left.subplots(), report, parts)
    lengths, repeats = right.subplots(2, 1)
    _draw_part_lengths(lengths, report, parts)
    _draw_findings(repeats, report, parts)
    save_figure(figure, path)


def _labelled_title(parts: dict[str, Part]) -> str:
    return ", ".join(f"{name}: {part.path.name}, {part.rows:,} rows" for name, part in parts.items())


def _draw_labels(axes: Any, report: LabelledReport, parts: dict[str, Part]) -> None:
    names = report.label_names
    shown, rest = names[:SHOWN_LABELS], names[SHOWN_LABELS:]
    series = {}
    for title, part in parts.items():
        values = [100 * part.labels.get(name, 0) / part.rows for name in shown]
        if rest:
            values.append(100 * sum(part.labels.get(name, 0) for name in rest) / part.rows)
        series[title] = values
    bars(axes, [*shown, *([f"{len(rest)} more labels"] if rest else [])], series, colors=_PART_COLORS)
    axes.set_xlabel("% of the rows" + ("; of rare labels together" if rest else ""))
    counts = [report.train.labels.get(name, 0) for name in names]
    axes.set_title(
        f"{len(names):,} labels, {min(counts, default=0):,} to {max(counts, default=0):,} train rows each", fontsize=11
    )
    for row, name in enumerate(shown):
        values = [values[row] for values in series.values()]
        count = " / ".join(f"{part.labels.get(name, 0):,}" for part in parts.values())
        axes.annotate(count, (max(values), row), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.margins(x=0.18)


def _draw_part_lengths(axes: Any, report: LabelledReport, parts: dict[str, Part]) -> None:
    unit = "tokens" if report.train.tokens is not None else "characters"
    lengths = {name: part.tokens if part.tokens is not None else part.characters for name, part in parts.items()}
    edges = _linear_edges(max(one.percentile(99.5) for one in lengths.values()))
    for (name, one), color in zip(lengths.items(), _PART_COLORS, strict=False):
        shares = 100 * _binned(one, edges) / max(one.total, 1)
        axes.stairs(shares, edges, fill=True, alpha=0.45, color=color)
        axes.stairs(shares, edges, color=color, label=f"{name}: median {one.percentile(50)}, 95 % {one.percentile(95)}")
    cut = ""
    if unit == "tokens":
        share = max(one.share_above(report.max_length) for one in lengths.values())
        cut = f", {share:.1%} cut at {report.max_length}"
        if report.max_length <= edges[-1]:
            axes.axvline(report.max_length, color=COLORS["warn"], linestyle="--", linewidth=1.2)
    axes.set_title(f"Length in {unit}{cut}", fontsize=11)
    axes.set_xlabel(f"{unit} of a text (longer ones in the last bar)")
    axes.set_ylabel("% of the rows")
    axes.legend(frameon=False, fontsize=9)
    clean(axes)


def _draw_findings(axes: Any, report: LabelledReport, parts: dict[str, Part]) -> None:
    rows: list[tuple[str, list[int]]] = [
        ("no text or label", [part.no_text.rows + part.no_label.rows for part in parts.values()]),
        ("repeat a row", [part.duplicates.rows for part in parts.values()]),
        ("  with another label", [part.conflicts.rows for part in parts.values()]),
        ("almost like a row", [part.near_duplicates.rows for part in parts.values()]),
    ]
    if report.train.tokens is not None:
        cut = [part.tokens.num_above(report.max_length) if part.tokens else 0 for part in parts.values()]
        rows.append((f"cut at {report.max_length} tokens", cut))
    if report.dev is not None:
        rows.append(("also in train", [0, report.overlap.rows]))
        rows.append(("almost like train", [0, report.near_overlap.rows]))
        rows.append(("label not in train", [0, sum(report.unseen_labels.values())]))
    series = {
        name: [100 * counts[number] / part.rows for _, counts in rows]
        for number, (name, part) in enumerate(parts.items())
    }
    bars(axes, [title for title, _ in rows], series, colors=_PART_COLORS)
    for row, (_, counts) in enumerate(rows):
        widest = max(values[row] for values in series.values())
        only_dev = len(parts) > 1 and row >= len(rows) - 3
        text = f"{counts[-1]:,}" if only_dev else " / ".join(f"{count:,}" for count in counts)
        axes.annotate(text, (widest, row), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_xlim(0, max(1.0, 1.25 * max(max(values) for values in series.values())))
    axes.set_xlabel("% of the rows")
    axes.set_title("Rows to look at", fontsize=11)


def draw_store(report: StoreReport, path: Path) -> None:
    """Draw lengths and vocabulary of a token store into a PNG."""
    store = report.store
    figure = new_figure(
        f"{store.path.name}: {store.num_documents:,} documents, {store.num_sentences:,} sentences, "
        f"{store.num_tokens:,} tokens",
        width=12,
        height=8.5,
    )
    (documents, sentences), (ranks, frequent) = figure.subplots(2, 2)
    _draw_document_lengths(documents, report)
    _draw_sentence_lengths(sentences, report)
    _draw_ranks(ranks, report)
    _draw_frequent(frequent, report)
    save_figure(figure, path)


def _draw_document_lengths(axes: Any, report: StoreReport) -> None:
    lengths = report.document_tokens
    edges = np.unique(np.geomspace(1, lengths.maximum + 1, LOG_BINS).astype(int))
    axes.stairs(_binned(lengths, edges), edges, fill=True, color=COLORS["main"])
    axes.set_xscale("log")
    axes.axvline(report.room, color=COLORS["warn"], linestyle="--", linewidth=1.2, label=f"a row: {report.room} tokens")
    axes.axvline(lengths.percentile(50), color="black", linewidth=1, label=f"median: {lengths.percentile(50):,}")
    single = 1.0 - report.document_sentences.share_above(1)
    axes.set_title(f"Documents: {report.duplicates:,} repeat another, {single:.1%} have one sentence", fontsize=11)
    axes.set_xlabel("tokens of a document")
    axes.set_ylabel("documents")
    axes.legend(frameon=False, fontsize=9)
    clean(axes)


def _draw_sentence_lengths(axes: Any, report: StoreReport) -> None:
    lengths = report.sentence_tokens
    edges = _linear_edges(lengths.percentile(99.5))
    axes.stairs(100 * _binned(lengths, edges) / lengths.total, edges, fill=True, color=COLORS["main"])
    if report.room <= edges[-1]:
        axes.axvline(
            report.room, color=COLORS["warn"], linestyle="--", linewidth=1.2, label=f"a row: {report.room} tokens"
        )
    axes.axvline(lengths.percentile(50), color="black", linewidth=1, label=f"median: {lengths.percentile(50):,}")
    axes.set_title(f"Sentences: {lengths.share_above(report.room):.1%} are cut at {report.room} tokens", fontsize=11)
    axes.set_xlabel("tokens of a sentence (longer ones in the last bar)")
    axes.set_ylabel("% of the sentences")
    axes.legend(frameon=False, fontsize=9)
    clean(axes)


def _draw_ranks(axes: Any, report: StoreReport) -> None:
    counts = np.sort(report.token_counts[report.token_counts > 0])[::-1]
    size = report.store.tokenizer.vocabulary_size
    axes.plot(np.arange(1, len(counts) + 1), counts, color=COLORS["main"], linewidth=2)
    axes.axhline(RARE, color=COLORS["warn"], linestyle="--", linewidth=1.2)
    axes.annotate(
        f"below {RARE} times: {report.rare_tokens:,} tokens", (1, RARE), (2, 4), textcoords="offset points", fontsize=9
    )
    axes.axvline(size, color=COLORS["faint"], linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(
        f"Vocabulary: {report.used_tokens:,} of {size:,} occur, {report.unknown_share:.2%} of the text is [UNK]",
        fontsize=11,
    )
    axes.set_xlabel("rank of the token")
    axes.set_ylabel("times in the store")
    clean(axes)


def _draw_frequent(axes: Any, report: StoreReport) -> None:
    frequent = report.frequent_tokens(SHOWN_TOKENS)
    shares = [100 * count / report.store.num_tokens for _, count in frequent]
    bars(axes, [token for token, _ in frequent], {"share": shares}, colors=_PART_COLORS)
    axes.set_xlabel("% of the tokens")
    axes.set_title(f"Most frequent; unigram entropy {report.store.unigram_entropy:.2f} nats", fontsize=11)


def _linear_edges(last: int) -> np.ndarray:
    """Return bin edges of whole numbers from 0 to about `last`."""
    step = max(1, -(-last // LINEAR_BINS))
    return np.arange(0, last + step + 1, step)


def _binned(lengths: Lengths, edges: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return how many items fall between the edges; longer ones count in the last bin."""
    inside = np.clip(lengths.values, edges[0], edges[-1] - 1)
    return np.histogram(inside, bins=edges, weights=lengths.counts)[0]
