"""What an export says about its files: report.json for machines, report.md and a summary for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerastx_export.parity import CLEAR_MARGIN, Agreement, Difference, Parity, Score
from kerastx_export.recipes import Recipe

_ENGINES = {"tflite": "LiteRT", "onnx": "onnxruntime"}


@dataclass(frozen=True)
class FileReport:
    """One exported file.

    Attributes:
        name: of the file.
        engine_format: "tflite" or "onnx".
        size_bytes: of the whole file, tokenizer and manifest included.
        fp32_size_bytes: of the same file with fp32 weights.
        sha256: as it stands in the file.
        parity: the comparison with Keras.
        latency_ms: length in tokens -> median CPU milliseconds for one text with one thread.
        operators: operator -> how many.
    """

    name: str
    engine_format: str
    size_bytes: int
    fp32_size_bytes: int
    sha256: str
    parity: Parity
    latency_ms: dict[int, float]
    operators: dict[str, int]

    @property
    def size_ratio(self) -> float:
        return self.size_bytes / self.fp32_size_bytes


@dataclass(frozen=True)
class Report:
    """What an export made, and how it compares with Keras."""

    task: str
    labels: tuple[str, ...]
    parameters: int
    recipe: Recipe
    compared_on: str
    files: list[FileReport]
    versions: dict[str, str]
    hardware: str
    seconds: float
    paths: list[Path] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of report.json."""
        return {
            "task": self.task,
            "labels": list(self.labels),
            "parameters": self.parameters,
            "recipe": {"name": self.recipe.name, "note": self.recipe.note, "tolerance": self.recipe.tolerance},
            "compared_on": self.compared_on,
            "files": [_file_dict(file) for file in self.files],
            "versions": self.versions,
            "hardware": self.hardware,
            "seconds": round(self.seconds, 1),
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """Return the content of report.md."""
        return "\n\n".join(
            [
                f"# Exported {self.task} model",
                f"{self.parameters:,} parameters, {len(self.labels)} labels. "
                f"Recipe `{self.recipe.name}`: {self.recipe.note}.",
                self.table(),
                f"Compared with Keras on {self.compared_on}. {_tolerance(self.recipe)}",
                f"Latency is the median CPU time of one text, one thread, on {self.hardware}.",
                *(_details(file) for file in self.files),
                "## Versions",
                ", ".join(f"{name} {number}" for name, number in self.versions.items()),
            ]
        )

    def table(self) -> str:
        """Return one Markdown table with a column per file."""
        return _markdown_table(_rows(self.files))

    def summary(self) -> str:
        """Return the table and where the files are, for a terminal."""
        table = _plain_table(_rows(self.files))
        paths = "\n".join(f"  {path}" for path in self.paths)
        return f"{table}\n\nCompared with Keras on {self.compared_on}. Written in {self.seconds:.0f} s:\n{paths}"


def parity_lines(parity: Parity) -> list[str]:
    """Return the comparison with Keras in sentences."""
    lines = [
        f"{difference.output}: at most {difference.value:.2g} from Keras (for {difference.probe})"
        for difference in parity.differences
    ]
    found: Agreement = parity.agreement
    lines.append(
        f"decisions: {found.share:.2%} of {found.texts} texts as Keras; {found.clear_share:.2%} of the "
        f"{found.clear_texts} where Keras prefers one by more than {CLEAR_MARGIN}; probabilities move by "
        f"{found.mean_drift:.2g} on average"
    )
    if parity.score is not None:
        lines.append(f"accuracy on {parity.score.rows} rows: {_score(parity.score)}")
    return lines


def _score(score: Score) -> str:
    low, high = score.interval
    return (
        f"{score.file:.2%}, Keras {score.keras:.2%}, difference {100 * score.difference:+.2f} points "
        f"(95 % paired interval {100 * low:+.2f} to {100 * high:+.2f})"
    )


def _rows(files: list[FileReport]) -> list[list[str]]:
    """Return a column per file: names are long and numbers short, so this fits a terminal of 80 characters."""
    table = [["", *(f".{file.engine_format} in {_ENGINES[file.engine_format]}" for file in files)]]

    def add(title: str, cell: Callable[[FileReport], str]) -> None:
        table.append([title, *(cell(file) for file in files)])

    add("size", lambda file: f"{file.size_bytes / 1e6:.2f} MB")
    add("share of its fp32 size", lambda file: f"{file.size_ratio:.1%}")
    add("decides like Keras", lambda file: f"{file.parity.agreement.share:.2%} of {file.parity.agreement.texts:,}")
    add("largest difference", lambda file: f"{max(d.value for d in file.parity.differences):.1e}")
    if all(file.parity.score for file in files):
        add("accuracy of the file", lambda file: f"{_scored(file).file:.2%}")
        add("accuracy of Keras", lambda file: f"{_scored(file).keras:.2%}")
        add("difference in points", lambda file: f"{100 * _scored(file).difference:+.2f}")
        add("  its 95 % interval", lambda file: "{:+.2f} to {:+.2f}".format(*(100 * x for x in _scored(file).interval)))
    for length in sorted({length for file in files for length in file.latency_ms}):
        table.append([f"CPU ms at {length} tokens", *(f"{file.latency_ms[length]:.2f}" for file in files)])
    return table


def _scored(file: FileReport) -> Score:
    if file.parity.score is None:
        raise ValueError(f"{file.name} was not scored.")
    return file.parity.score


def _markdown_table(rows: list[list[str]]) -> str:
    header, *body = rows
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *body))


def _plain_table(rows: list[list[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for title, *cells in rows:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([title.ljust(widths[0]), *aligned]))
    return "\n".join(lines)


def _tolerance(recipe: Recipe) -> str:
    if recipe.tolerance is not None:
        return f"Logits and probabilities may differ by at most {recipe.tolerance:g}."
    return (
        f"A file is kept if it decides like Keras on at least {recipe.min_agreement:.0%} of the texts with a clear "
        "decision, and its fp32 form stays within 1e-4 of Keras."
    )


def _details(file: FileReport) -> str:
    operators = ", ".join(f"{name} {count}" for name, count in file.operators.items())
    return "\n".join(
        [
            f"## {file.name}",
            "",
            f"{_ENGINES[file.engine_format]}, {file.size_bytes:,} bytes "
            f"({file.fp32_size_bytes:,} with fp32 weights), SHA-256 `{file.sha256}`.",
            "",
            *(f"- {line}" for line in parity_lines(file.parity)),
            f"- operators: {operators}",
        ]
    )


def _file_dict(file: FileReport) -> dict[str, Any]:
    differences: list[Difference] = file.parity.differences
    score = file.parity.score
    return {
        "file": file.name,
        "format": file.engine_format,
        "size_bytes": file.size_bytes,
        "fp32_size_bytes": file.fp32_size_bytes,
        "size_ratio": round(file.size_ratio, 4),
        "sha256": file.sha256,
        "max_difference": {difference.output: difference.value for difference in differences},
        "max_difference_for": {difference.output: difference.probe for difference in differences},
        "agreement": asdict(file.parity.agreement),
        "score": None
        if score is None
        else {
            "metric": "accuracy",
            "rows": score.rows,
            "file": score.file,
            "keras": score.keras,
            "difference": score.difference,
            "interval_95": list(score.interval),
        },
        "latency_ms": {str(length): round(value, 3) for length, value in file.latency_ms.items()},
        "operators": file.operators,
    }
