"""What the export of a model that writes says about its files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerastx_export.recipes import Recipe
from kerastx_export.step_parity import StepParity
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
        parity: the comparison with Keras.
        prompt_ms, token_ms: median CPU milliseconds of a prompt of 32 tokens and of each token behind it, one thread.
        operators: operator -> how many.
        text: what the tokenizer in it takes; None where it takes ids only.
    """

    name: str
    engine_format: str
    size_bytes: int
    sha256: str
    parity: StepParity
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
            "perplexity (Keras) | ms, prompt of 32 | ms, a token |",
            "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
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
                "Compared with Keras on texts of our own: a padded prompt at once, then one token at a time with the "
                f"cache. Times are medians of CPU time, one thread, on {self.hardware}.",
                *self._texts,
                "## Operators\n\n" + "\n".join(operators),
                "## Versions\n\n" + "\n".join(versions) + "\n",
            ]
        )

    @property
    def _texts(self) -> list[str]:
        """Say in sentences what the files need the tokenizers library for, or what it costs to do without."""
        said = [f"{file.name}: {text_sentence(file.text)}" for file in self.files if file.text is not None]
        onnx = [file.name for file in self.files if file.engine_format == "onnx"]
        said += [f"{name}: it takes ids only, as every .onnx that writes does so far" for name in onnx]
        if self.no_text:
            said.append(f"The files take ids only: {self.no_text}.")
        if self.no_detokenizer:
            said.append(f"The files have no tables that turn tokens into text: {self.no_detokenizer}.")
        return said

    def summary(self) -> str:
        """Return what was made and how it compares, for a terminal."""
        lines = [
            f"{file.name}: {file.size_bytes / 1e6:.2f} MB in {_ENGINES[file.engine_format]}, the most probable token "
            f"as Keras' in {file.parity.same_best:.1%} of {file.parity.tokens}, perplexity "
            f"{file.parity.perplexity:.4g} (Keras {file.parity.keras_perplexity:.4g}), {file.token_ms:.2f} ms a token"
            for file in self.files
        ]
        paths = [f"  {path}" for path in self.paths]
        return "\n".join([*lines, *self._texts, f"Written in {self.seconds:.0f} s:", *paths])


def text_sentence(text: WriterTextCost) -> str:
    """Return what the tokenizer in a file takes."""
    return (
        f"its tokenizer reads {text.budget} bytes, with tables of {text.tables_bytes / 1e6:.2f} MB: {SHORT} bytes in "
        f"{text.short_ms:.2f} ms, {LONG} in {text.long_ms:.2f} ms"
    )


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
        f"{parity.perplexity:.4g} ({parity.keras_perplexity:.4g})",
        f"{file.prompt_ms:.2f}",
        f"{file.token_ms:.2f}",
    ]
