"""What the export of a model that writes says about its files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerastx_export.greedy_parity import GreedyParity
from kerastx_export.recipes import Recipe
from kerastx_export.step_parity import StepParity
from kerastx_export.writer_comparison import HeldScores, WriterParity
from kerastx_export.writer_text_check import LONG, SHORT, WriterTextCost

_ENGINES = {"tflite": "LiteRT", "onnx": "onnxruntime"}


@dataclass(frozen=True)
class WriterFile:
    """One exported file.

    Attributes:
        name: of the file.
        engine_format: "tflite" or "onnx".
        size_bytes: of the whole file, tokenizer and manifest included.
        sha256: as it stands in the file.
        parity: the comparison with Keras, on texts of our own.
        greedy: what it writes beside what Keras writes.
        held: the scores of both on the rows that were given; None = there were none.
        prompt_ms, token_ms: median CPU milliseconds of a prompt of 32 tokens and of each token behind it, one thread.
        operators: operator -> how many.
        text: what the tokenizer in it takes; None where it takes ids only.
    """

    name: str
    engine_format: str
    size_bytes: int
    sha256: str
    parity: StepParity
    greedy: GreedyParity
    held: HeldScores | None
    prompt_ms: float
    token_ms: float
    operators: dict[str, int]
    text: WriterTextCost | None = None


@dataclass(frozen=True)
class WriterReport:
    """What an export made, and how it compares with Keras."""

    task: str
    parameters: int
    recipe: Recipe
    compared_on: str
    files: list[WriterFile]
    versions: dict[str, str]
    hardware: str
    seconds: float
    paths: list[Path]
    no_text: str = ""
    no_detokenizer: str = ""

    def to_json(self) -> str:
        """Return the content of report.json."""
        values: dict[str, Any] = {
            "task": self.task,
            "parameters": self.parameters,
            "recipe": {"name": self.recipe.name, "note": self.recipe.note},
            "compared_on": self.compared_on,
            "no_text": self.no_text,
            "no_detokenizer": self.no_detokenizer,
            "files": [asdict(file) for file in self.files],
            "versions": self.versions,
            "hardware": self.hardware,
            "seconds": round(self.seconds, 1),
        }
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """Return the content of report.md."""
        rows = [
            "| file | runtime | MB | tokens compared | log-probabilities from Keras | cosine | same best token | "
            "perplexity of these (Keras) | written as Keras | ms, prompt of 32 | ms, a token |",
            "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(f"| {' | '.join(_cells(file))} |" for file in self.files),
        ]
        operators = [
            f"- `{file.name}`: {', '.join(f'{name} {count}' for name, count in file.operators.items())}"
            for file in self.files
        ]
        versions = [f"- {name} {version}" for name, version in self.versions.items()]
        return "\n\n".join(
            [
                f"# Exported {self.task} model",
                f"{self.parameters:,} parameters. Recipe `{self.recipe.name}`: {self.recipe.note}.",
                "\n".join(rows),
                "Compared with Keras on odd texts of our own, which no model finds probable: a padded prompt at once, "
                "then one token at a time with the "
                "cache; and what both write with the most probable token at each step, up to the first that differs. "
                f"Times are medians of CPU time, one thread, on {self.hardware}.",
                *self._texts,
                *self._scores(),
                "## Operators\n\n" + "\n".join(operators),
                "## Versions\n\n" + "\n".join(versions) + "\n",
            ]
        )

    def _scores(self) -> list[str]:
        """Return the section of the scores, where there are any."""
        held = [(file.name, file.held) for file in self.files if file.held is not None]
        if not held:
            return []
        table = [
            "| file | score | file | Keras | difference |",
            "|---|---|---:|---:|---:|",
            *(
                f"| `{name}` | {score} | {file:.4f} | {keras:.4f} | {difference:+.4f} |"
                for name, scores in held
                for score, file, keras, difference in _side_by_side(scores)
            ),
        ]
        return [f"## Scores on {held[0][1].rows}", "\n".join(table), *(f"`{n}`: {_held_line(h)}." for n, h in held)]

    @property
    def _texts(self) -> list[str]:
        """Say in sentences what the files need the tokenizers library for, or what it costs to do without."""
        said = [f"{file.name}: {text_sentence(file.text)}" for file in self.files if file.text is not None]
        if self.no_text:
            said.append(f"The files take ids only: {self.no_text}.")
        if self.no_detokenizer:
            said.append(f"The files have no tables that turn tokens into text: {self.no_detokenizer}.")
        return said

    def summary(self) -> str:
        """Return what was made and how it compares, for a terminal."""
        lines = []
        for file in self.files:
            lines.append(
                f"{file.name}: {file.size_bytes / 1e6:.2f} MB in {_ENGINES[file.engine_format]}, "
                f"{file.token_ms:.2f} ms a token"
            )
            parity = WriterParity(file.parity, file.greedy, file.held)
            lines += [f"  {line}" for line in writer_parity_lines(parity)]
        paths = [f"  {path}" for path in self.paths]
        return "\n".join([*lines, *self._texts, f"Written in {self.seconds:.0f} s:", *paths])


def text_sentence(text: WriterTextCost) -> str:
    """Return what the tokenizer in a file takes."""
    return (
        f"its tokenizer reads {text.budget} bytes, with tables of {text.tables_bytes / 1e6:.2f} MB: {SHORT} bytes in "
        f"{text.short_ms:.2f} ms, {LONG} in {text.long_ms:.2f} ms"
    )


def writer_parity_lines(parity: WriterParity) -> list[str]:
    """Return what a comparison found, for a terminal."""
    steps, greedy = parity.steps, parity.greedy
    lines = [
        f"{steps.tokens:,} tokens of our own texts: log-probabilities at most {steps.max_difference:.2g} from Keras, "
        f"cosine of the logits {steps.mean_cosine:.5f}, the same best token in {steps.same_best:.1%}",
        f"writes {greedy.same_tokens} of {greedy.tokens} tokens as Keras does, up to the first that differs in each of "
        f"{greedy.texts} texts",
    ]
    if parity.held is None:
        return lines
    return [
        *lines,
        f"{parity.held.rows}: {_held_line(parity.held)}",
        *(
            f"  {score} {file:.4f}, Keras {keras:.4f}, {difference:+.4f}"
            for score, file, keras, difference in _side_by_side(parity.held)
        ),
    ]


def _held_line(held: HeldScores) -> str:
    parity = held.parity
    return (
        f"{parity.tokens:,} tokens, cosine of the logits {parity.mean_cosine:.5f}, the same best token in "
        f"{parity.same_best:.1%}"
    )


def _side_by_side(held: HeldScores) -> list[tuple[str, float, float, float]]:
    """Return (score, of the file, of Keras, difference); the number of tokens is no score."""
    pairs = [(name, value, held.keras[name]) for name, value in held.file.items() if name != "tokens"]
    return [(name, file, keras, round(file - keras, 4) + 0.0) for name, file, keras in pairs]  # never -0


def _cells(file: WriterFile) -> list[str]:
    parity = file.parity
    return [
        f"`{file.name}`",
        _ENGINES[file.engine_format],
        f"{file.size_bytes / 1e6:.2f}",
        f"{parity.tokens}",
        f"at most {parity.max_difference:.2g}",
        f"{parity.mean_cosine:.5f}",
        f"{parity.same_best:.1%}",
        f"{parity.perplexity:,.1f} ({parity.keras_perplexity:,.1f})",
        f"{file.greedy.same_tokens} of {file.greedy.tokens}",
        f"{file.prompt_ms:.2f}",
        f"{file.token_ms:.2f}",
    ]
