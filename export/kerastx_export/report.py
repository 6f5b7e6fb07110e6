"""What an export says about its files: report.json for machines, report.md and a summary for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerastx.runtime.results import INTEGER_OUTPUTS, OUTPUTS, THRESHOLD
from kerastx_export.agreement import CLEAR_MARGIN, Agreement, AnyAgreement, Correlation
from kerastx_export.gate import MAX_SCORE_DIFFERENCE, MIN_MEAN_COSINE
from kerastx_export.parity import Difference, Parity
from kerastx_export.recipes import Recipe
from kerastx_export.scoring import Score
from kerastx_export.text_cost import TextCost

_ENGINES = {"tflite": "LiteRT", "onnx": "onnxruntime"}
_METRICS = {
    "accuracy": "accuracy",
    "f1": "F1 of the second label",
    "micro_f1": "micro F1",
    "spearman": "Spearman correlation",
    "recall_at_1": "recall at 1",
    "entity_f1": "entity F1",
    "answer_f1": "answer F1",
    "exact_match": "exact match",
}


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
        text: what it costs that the file takes text; None of one that takes ids only.
    """

    name: str
    engine_format: str
    size_bytes: int
    fp32_size_bytes: int
    sha256: str
    parity: Parity
    latency_ms: dict[int, float]
    operators: dict[str, int]
    text: TextCost | None = None

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
    pair: bool = False
    no_text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the content of report.json."""
        return {
            "task": self.task,
            "labels": list(self.labels),
            "pair": self.pair,
            "parameters": self.parameters,
            "recipe": {"name": self.recipe.name, "note": self.recipe.note, "tolerance": self.recipe.tolerance},
            "compared_on": self.compared_on,
            "no_text": self.no_text,
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
                f"{self.parameters:,} parameters{self._answers}. Recipe `{self.recipe.name}`: {self.recipe.note}.",
                self.table(),
                f"Compared with Keras on {self.compared_on}. {_tolerance(self.recipe, self.task)}",
                f"Latency is the median CPU time of one text, one thread, on {self.hardware}.{self._memory}",
                *([self._ids_only] if self.no_text else []),
                *(_details(file) for file in self.files),
                "## Versions",
                ", ".join(f"{name} {number}" for name, number in self.versions.items()),
            ]
        )

    @property
    def _answers(self) -> str:
        labels = f", {len(self.labels)} labels" if self.labels else ""
        return labels + (", for pairs of texts" if self.pair else "")

    @property
    def _memory(self) -> str:
        if not any(file.text for file in self.files):
            return ""
        return " Peak memory is by how much a process grows that loads a file and runs it once, at full length."

    @property
    def _ids_only(self) -> str:
        return f"The files take ids only: {self.no_text}."

    def table(self) -> str:
        """Return one Markdown table with a column per file."""
        return _markdown_table(_rows(self.files))

    def summary(self) -> str:
        """Return the table and where the files are, for a terminal."""
        table = _plain_table(_rows(self.files))
        paths = "\n".join(f"  {path}" for path in self.paths)
        if self.no_text:
            table += f"\n\n{self._ids_only}"
        return f"{table}\n\nCompared with Keras on {self.compared_on}. Written in {self.seconds:.0f} s:\n{paths}"


def parity_lines(parity: Parity) -> list[str]:
    """Return the comparison with Keras in sentences."""
    lines = [
        f"{difference.output}: at most {difference.value:.2g} from Keras (for {difference.probe})"
        for difference in parity.differences
    ]
    lines.append(_agreement(parity.agreement))
    lines += [f"{_METRICS[score.metric]} on {score.rows} rows: {_score(score)}" for score in parity.scores]
    return lines


def _agreement(found: AnyAgreement) -> str:
    if isinstance(found, Agreement):
        return (
            f"decisions: {found.share:.2%} of {found.texts} {found.unit} as Keras; {found.clear_share:.2%} of the "
            f"{found.clear_texts} where Keras prefers one by more than {CLEAR_MARGIN}; probabilities move by "
            f"{found.mean_drift:.2g} on average"
        )
    if isinstance(found, Correlation):
        return (
            f"scores of {found.texts} texts: Spearman correlation with Keras {found.spearman:.4f}, Pearson "
            f"{found.pearson:.4f}; they move by {found.mean_difference:.2g} standard deviations on average"
        )
    return (
        f"vectors of {found.texts} texts: cosine with Keras {found.mean_cosine:.4f} on average, "
        f"{found.lowest_cosine:.4f} at the lowest"
    )


def _score(score: Score) -> str:
    low, high = score.interval
    return (
        f"{_value(score, score.file)}, Keras {_value(score, score.keras)}, difference {100 * score.difference:+.2f} "
        f"points (95 % paired interval {100 * low:+.2f} to {100 * high:+.2f})"
    )


def _value(score: Score, value: float) -> str:
    return f"{value:.4f}" if score.metric == "spearman" else f"{value:.2%}"


def _rows(files: list[FileReport]) -> list[list[str]]:
    """Return a column per file: names are long and numbers short, so this fits a terminal of 80 characters."""
    table = [["", *(f".{file.engine_format} in {_ENGINES[file.engine_format]}" for file in files)]]

    def add(title: str, cell: Callable[[FileReport], str]) -> None:
        table.append([title, *(cell(file) for file in files)])

    add("size", lambda file: f"{file.size_bytes / 1e6:.2f} MB")
    add("share of its fp32 size", lambda file: f"{file.size_ratio:.1%}")
    add(*_agreement_row(files[0].parity.agreement))
    add("largest difference", lambda file: f"{max(d.value for d in file.parity.differences):.1e}")
    for index, metric in enumerate(score.metric for score in files[0].parity.scores):
        _add_score(add, _METRICS[metric], index)
    for length in sorted({length for file in files for length in file.latency_ms}):
        table.append([f"CPU ms at {length} tokens", *(f"{file.latency_ms[length]:.2f}" for file in files)])
    costs = [{} if file.text is None else file.text.rows(file.latency_ms) for file in files]
    for title in dict.fromkeys(title for cost in costs for title in cost):
        table.append([title, *(cost.get(title, "") for cost in costs)])
    return table


def _agreement_row(found: AnyAgreement) -> tuple[str, Callable[[FileReport], str]]:
    """Return title and cell of the one row that says how much a file is like Keras."""
    if isinstance(found, Agreement):
        return "decides like Keras", lambda file: f"{_of(file).share:.2%} of {_of(file).texts:,}"
    if isinstance(found, Correlation):
        return "Spearman with Keras", lambda file: f"{_of(file).spearman:.4f} on {_of(file).texts:,}"
    return "cosine with Keras", lambda file: f"{_of(file).mean_cosine:.4f} on {_of(file).texts:,}"


def _of(file: FileReport) -> Any:
    return file.parity.agreement


def _add_score(add: Callable[[str, Callable[[FileReport], str]], None], title: str, index: int) -> None:
    """Add the rows of one metric, the `index`th of every file."""

    def score(file: FileReport) -> Score:
        return file.parity.scores[index]

    add(f"{title} of the file", lambda file: _value(score(file), score(file).file))
    add(f"{title} of Keras", lambda file: _value(score(file), score(file).keras))
    add("difference in points", lambda file: f"{100 * score(file).difference:+.2f}")
    add("  its 95 % interval", lambda file: "{:+.2f} to {:+.2f}".format(*(100 * x for x in score(file).interval)))


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


def _tolerance(recipe: Recipe, task: str) -> str:
    if recipe.tolerance is not None:
        names = " and ".join(name for name in OUTPUTS[task] if name not in INTEGER_OUTPUTS).capitalize()
        of_its_size = ", of the largest score where that is above 1" if task in ("regression", "span") else ""
        return f"{names} may differ by at most {recipe.tolerance:g}{of_its_size}."
    kept = {
        "classification": f"it decides like Keras on at least {recipe.min_agreement:.0%} of the texts with a clear "
        "decision",
        "tagging": f"it decides like Keras on at least {recipe.min_agreement:.0%} of the tokens with a clear decision",
        "span": f"its answers overlap with those of Keras by at least {recipe.min_agreement:.0%} where these are clear",
        "multi_label": f"it gives the labels of Keras to at least {recipe.min_agreement:.0%} of the texts of which "
        f"every probability is at least {CLEAR_MARGIN} from {THRESHOLD}",
        "regression": f"its scores are on average at most {MAX_SCORE_DIFFERENCE} standard deviations from those of "
        "Keras",
        "embedding": f"the cosine of its vectors and those of Keras is at least {MIN_MEAN_COSINE} on average",
    }[task]
    return f"A file is kept if {kept}, and its fp32 form stays within 1e-4 of Keras."


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
    scores = [_score_dict(score) for score in file.parity.scores]
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
        "score": scores[0] if scores else None,
        "scores": scores,
        "latency_ms": {str(length): round(value, 3) for length, value in file.latency_ms.items()},
        "operators": file.operators,
        **({} if file.text is None else {"text": file.text.to_dict(file.latency_ms)}),
    }


def _score_dict(score: Score) -> dict[str, Any]:
    return {
        "metric": score.metric,
        "rows": score.rows,
        "file": score.file,
        "keras": score.keras,
        "difference": score.difference,
        "interval_95": list(score.interval),
    }
