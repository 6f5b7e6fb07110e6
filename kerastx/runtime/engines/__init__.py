"""Engines: something that runs a graph. One file each; the third-party package is imported when one is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

# What a tokenizer in a graph answers, see `kerastx.layers.assemble_tokens.AssembleTokens`.
TOKENIZED = {
    "token_ids": "int32",
    "segment_ids": "int32",
    "padding_mask": "bool",
    "begins": "int32",
    "ends": "int32",
    "lengths": "int32",
    "is_cut": "bool",
}


class Engine(Protocol):
    """Runs one graph; safe to call from several threads.

    Attributes:
        inputs: the ids that it takes; none if it takes texts only.
        outputs: what it answers.
        text_inputs: names of the texts that it takes as bytes; none if it takes ids only.
    """

    inputs: dict[str, np.dtype[Any]]
    outputs: dict[str, np.dtype[Any]]
    text_inputs: tuple[str, ...]

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output by its name; names and dtypes of the inputs are exact."""
        ...

    def run_text(self, texts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output for texts, uint8 (B, N) each, UTF-8 with zeros behind; names are exact.

        Among them `kerastx.runtime.results.CUT` and, where there are any, BYTE_OUTPUTS.
        """
        ...


@runtime_checkable
class Tokenizing(Protocol):
    """An engine whose graph has a tokenizer; safe to call from several threads.

    Attributes:
        budgets: bytes of a text that it takes; the smallest is the fastest.
        max_tokens: that it answers, special ones included.
        text_inputs: "text", or "text" and "pair".
    """

    budgets: tuple[int, ...]
    max_tokens: int
    text_inputs: tuple[str, ...]

    def tokenize(self, texts: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Return `TOKENIZED` of one row for the UTF-8 of a text, or of a pair; zeros at its end are not seen."""
        ...


class TensorSpec(NamedTuple):
    """A tensor of a graph; None = any size."""

    dtype: str
    shape: tuple[int | None, ...]


def open_engine(content: bytes, engine_format: str, *, threads: int = 1) -> Engine:
    """Return the engine for a "tflite" or "onnx" graph.

    Raises:
        ArtifactError: the engine cannot load the graph.
        MissingExtraError: the engine is not installed.
    """
    if engine_format == "tflite":
        from kerastx.runtime.engines.litert import LitertEngine

        return LitertEngine(content, threads=threads)
    if engine_format == "onnx":
        from kerastx.runtime.engines.onnx import OnnxEngine

        return OnnxEngine(content, threads=threads)
    raise ValueError(f"engine_format must be 'tflite' or 'onnx', got {engine_format!r}.")


def check_inputs(inputs: dict[str, np.ndarray], expected: dict[str, np.dtype[Any]]) -> None:
    """Raise ValueError unless names and dtypes are those of the graph."""
    if inputs.keys() != expected.keys():
        raise ValueError(f"the graph takes {sorted(expected)}, got {sorted(inputs)}.")
    for name, value in inputs.items():
        if value.dtype != expected[name]:
            raise ValueError(f"{name} must be {expected[name]}, got {value.dtype}.")
