"""TFLite graphs, run by LiteRT (package ai-edge-litert)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastx.errors import ArtifactError, MissingExtraError
from kerastx.runtime.engines import TOKENIZED, TensorSpec, check_inputs
from kerastx.runtime.results import BYTE_OUTPUTS, CUT
from kerastx.runtime.step_names import ENCODE, STEP

# The signatures of a file that takes text too: the model, its tokenizer, which there may be for several sizes of text,
# as tokenize and tokenize_short, and both in one.
IDS, TOKENIZE, TEXT = "ids", "tokenize", "text"


class LitertEngine:
    """One interpreter behind a lock: it holds its tensors, so two threads must not run it at once.

    Attributes:
        budgets: bytes of a text that its tokenizers take, the smallest first; none where it has no tokenizer.
        max_tokens: that they answer.
        text_inputs: the names of the texts that they take, in order.
    """

    def __init__(self, content: bytes, *, threads: int = 1):
        interpreter = _interpreter(content, threads)
        try:
            keys = list(interpreter.get_signature_list())
            if len(keys) != 1 and not {IDS, TEXT} & set(keys):
                raise ArtifactError(f"expected a TFLite graph with one signature, or one called {IDS}, found {keys}")
            answering = next((key for key in (IDS, TEXT) if key in keys), keys[0])
            self._runner = interpreter.get_signature_runner(answering)
            tokenizers = [interpreter.get_signature_runner(key) for key in keys if key.split("_")[0] == TOKENIZE]
            self._texts: Any = interpreter.get_signature_runner(TEXT) if TEXT in keys else None
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"LiteRT cannot load the graph: {' '.join(str(error).split())}") from error
        self._lock = threading.Lock()
        inputs, outputs = self._runner.get_input_details(), self._runner.get_output_details()
        if answering == TEXT:  # no ids are taken, and what is said besides is for texts
            inputs, outputs = {}, {name: outputs[name] for name in outputs if name not in (*BYTE_OUTPUTS, CUT)}
        self.inputs = {name: np.dtype(detail["dtype"]) for name, detail in inputs.items()}
        self.outputs = {name: np.dtype(detail["dtype"]) for name, detail in outputs.items()}
        sized = sorted(((_tokenizer_sizes(runner), runner) for runner in tokenizers), key=lambda one: one[0])
        if len({(names, most) for (_, names, most), _ in sized}) > 1:
            raise ArtifactError("expected tokenizers of the same texts and tokens in the graph, found different ones")
        self.budgets = tuple(budget for (budget, _, _), _ in sized)
        self._tokenizers = [runner for _, runner in sized]
        _, self.text_inputs, self.max_tokens = sized[0][0] if sized else (0, (), 0)

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output by its name; see `Engine`."""
        check_inputs(inputs, self.inputs)
        with self._lock:
            return self._runner(**inputs)

    def run_text(self, texts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output for texts given as bytes, at most as many as the graph takes; see `Engine`."""
        check_inputs(texts, dict.fromkeys(self.text_inputs, np.dtype(np.uint8)))
        budget = self.budgets[-1] if self.budgets else 0
        whole = {name: np.zeros((len(rows), budget), np.uint8) for name, rows in texts.items()}
        for name, rows in texts.items():
            if rows.shape[1] > budget:
                raise ValueError(f"{name} must have at most {budget} bytes, got {rows.shape[1]}.")
            whole[name][:, : rows.shape[1]] = rows
        with self._lock:
            found = [
                self._texts(**{name: rows[row : row + 1] for name, rows in whole.items()})
                for row in range(len(whole[self.text_inputs[0]]))
            ]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def tokenize(self, texts: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Return what the tokenizer of the smallest size that fits makes of a text, or of a pair; see `Tokenizing`."""
        longest = max(map(len, texts))
        place = next(number for number, budget in enumerate(self.budgets) if budget >= longest)
        budget = self.budgets[place]
        rows = {
            name: np.frombuffer(text.ljust(budget, b"\0"), np.uint8).reshape(1, budget)
            for name, text in zip(self.text_inputs, texts, strict=True)
        }
        with self._lock:
            return self._tokenizers[place](**rows)


class LitertStepEngine:
    """The signatures step and, of an encoder-decoder, encode of one interpreter behind a lock; see `StepEngine`."""

    def __init__(self, content: bytes, *, threads: int = 1):
        interpreter = _interpreter(content, threads)
        keys = sorted(interpreter.get_signature_list())
        if keys not in ([STEP], [ENCODE, STEP]):
            raise ArtifactError(
                f"expected a TFLite graph with the signatures {STEP} and perhaps {ENCODE}, found {keys}"
            )
        try:
            self._step = interpreter.get_signature_runner(STEP)
            self._encode: Any = interpreter.get_signature_runner(ENCODE) if ENCODE in keys else None
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"LiteRT cannot load the graph: {' '.join(str(error).split())}") from error
        self._lock = threading.Lock()
        self.step_inputs = _specs(self._step.get_input_details())
        self.step_outputs = _specs(self._step.get_output_details())
        self.encode_inputs = _specs(self._encode.get_input_details()) if self._encode else {}

    def step(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with self._lock:
            return self._step(**inputs)

    def encode(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with self._lock:
            return self._encode(**inputs)


def _interpreter(content: bytes, threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError("ai_edge_litert", "litert") from error
    try:
        return Interpreter(model_content=content, num_threads=threads)
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(f"LiteRT cannot load the graph: {' '.join(str(error).split())}") from error


def _specs(details: dict[str, Any]) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(
            np.dtype(detail["dtype"]).name,
            tuple(None if size < 0 else int(size) for size in detail["shape_signature"]),
        )
        for name, detail in details.items()
    }


def _tokenizer_sizes(runner: Any) -> tuple[int, tuple[str, ...], int]:
    """Return the bytes, names and tokens of what a tokenizer takes and answers; ArtifactError where it is not ours."""
    given, answered = (
        {name: (np.dtype(detail["dtype"]).name, tuple(map(int, detail["shape"]))) for name, detail in side.items()}
        for side in (runner.get_input_details(), runner.get_output_details())
    )
    dtype, shape = next(iter(given.values()), ("none", ()))
    most = answered.get("token_ids", ("", (1, 0)))[1][-1:]
    expected = {
        name: (kind, (1, 1) if name in ("lengths", "is_cut") else (1, *most)) for name, kind in TOKENIZED.items()
    }
    is_text = sorted(given) in (["text"], ["pair", "text"]) and len(set(given.values())) == 1
    if not is_text or dtype != "uint8" or len(shape) != 2 or shape[0] != 1 or answered != expected:
        raise ArtifactError(f"expected a tokenizer of bytes in the graph, found one of {given} that answers {answered}")
    return shape[1], tuple(sorted(given, reverse=True)), most[0]
