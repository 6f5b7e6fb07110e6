"""TFLite graphs, run by LiteRT (package ai-edge-litert)."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastx.errors import ArtifactError, MissingExtraError
from kerastx.runtime.engines import TOKENIZED, TensorSpec, check_inputs
from kerastx.runtime.engines.silence import Farewell, silent_stderr
from kerastx.runtime.results import BYTE_OUTPUTS, CUT

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
            self._texts: Any = interpreter.get_signature_runner(TEXT) if TEXT in keys else None
            self._tokenizers = Tokenizers(interpreter)
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"LiteRT cannot load the graph: {' '.join(str(error).split())}") from error
        self._lock = threading.Lock()
        inputs, outputs = self._runner.get_input_details(), self._runner.get_output_details()
        if answering == TEXT:  # no ids are taken, and what is said besides is for texts
            inputs, outputs = {}, {name: outputs[name] for name in outputs if name not in (*BYTE_OUTPUTS, CUT)}
        self.inputs = {name: np.dtype(detail["dtype"]) for name, detail in inputs.items()}
        self.outputs = {name: np.dtype(detail["dtype"]) for name, detail in outputs.items()}
        self.budgets, self.text_inputs = self._tokenizers.budgets, self._tokenizers.text_inputs
        self.max_tokens = self._tokenizers.max_tokens

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
        with self._lock:
            return self._tokenizers.tokenize(texts)


class StepGraph:
    """The signatures of a file that writes: what they take and answer, and a model that runs them.

    A `CompiledModel` reads and writes tensors in buffers of their own, which an interpreter would copy to arrays and
    back. It does not tell which sizes are open, so an interpreter is asked, which runs the tokenizers at most.

    Attributes:
        signatures: by name, "step" and what else there is: (inputs, outputs).
        model: to be resized and run.
        tokenizers: of prompts or sources.
    """

    def __init__(self, content: bytes, *, threads: int = 1):
        with silent_stderr():
            interpreter = _interpreter(content, threads)
            try:
                runners = {key: interpreter.get_signature_runner(key) for key in interpreter.get_signature_list()}
                self.tokenizers = Tokenizers(interpreter)
                self.model = _compiled(content, threads)
            except (ValueError, RuntimeError) as error:
                raise ArtifactError(f"LiteRT cannot load the graph: {' '.join(str(error).split())}") from error
        self.signatures = {
            key: (_specs(runner.get_input_details()), _specs(runner.get_output_details()))
            for key, runner in runners.items()
        }


_farewell = Farewell()


def _environment() -> Any:
    """Return the one environment of all models, which tells stderr of its beginning and its end."""
    from ai_edge_litert.environment import Environment, EnvironmentOptions

    if _farewell.kept is None:
        import ai_edge_litert

        runtime = os.path.dirname(os.path.abspath(ai_edge_litert.__file__))
        _farewell.kept = Environment.create(options=EnvironmentOptions(runtime_path=runtime))
    return _farewell.kept


def _compiled(content: bytes, threads: int) -> Any:
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.cpu_options import CpuOptions
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import Options

    cpu = CpuOptions(num_threads=threads)
    options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=cpu)
    model = CompiledModel.from_buffer(content, options=options, environment=_environment())
    # The first buffer that is written to opens an environment, with announcements, which ends with the process.
    key, names = next(iter(model.get_signature_list().items()))
    buffer = model.create_input_buffer_by_name(key, names["inputs"][0])
    details = buffer.get_tensor_details()
    buffer.write(np.zeros(details["shape"], details["dtype"]))
    return model


class Tokenizers:
    """The tokenizer in a graph, for several sizes of text; only one thread at a time may run it.

    Attributes:
        budgets, max_tokens, text_inputs: see `LitertEngine`.
    """

    def __init__(self, interpreter: Any):
        runners = [
            interpreter.get_signature_runner(key) for key in interpreter.get_signature_list() if _is_tokenizer(key)
        ]
        sized = sorted(((_tokenizer_sizes(runner), runner) for runner in runners), key=lambda one: one[0])
        if len({(names, most) for (_, names, most), _ in sized}) > 1:
            raise ArtifactError("expected tokenizers of the same texts and tokens in the graph, found different ones")
        self.budgets = tuple(budget for (budget, _, _), _ in sized)
        self._runners = [runner for _, runner in sized]
        _, self.text_inputs, self.max_tokens = sized[0][0] if sized else (0, (), 0)

    def tokenize(self, texts: Sequence[bytes]) -> dict[str, np.ndarray]:
        longest = max(map(len, texts))
        place = next(number for number, budget in enumerate(self.budgets) if budget >= longest)
        budget = self.budgets[place]
        rows = {
            name: np.frombuffer(text.ljust(budget, b"\0"), np.uint8).reshape(1, budget)
            for name, text in zip(self.text_inputs, texts, strict=True)
        }
        return self._runners[place](**rows)


def _is_tokenizer(key: str) -> bool:
    return key.split("_")[0] == TOKENIZE


def _interpreter(content: bytes, threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError("ai_edge_litert", "litert") from error
    try:
        return Interpreter(model_content=content, num_threads=threads)
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(f"LiteRT cannot load the graph: {' '.join(str(error).split())}") from error


def answered_sizes(content: bytes, asked: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the sizes of what signatures answer: by signature and name.

    Args:
        content: the graph. It runs without a delegate, which would make a copy of its weights first.
        asked: inputs by signature and name.

    Raises:
        ArtifactError: it cannot be run.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=plain)
        found = {key: interpreter.get_signature_runner(key)(**inputs) for key, inputs in asked.items()}
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(f"LiteRT cannot run the graph: {' '.join(str(error).split())}") from error
    return {key: {name: values.shape for name, values in answers.items()} for key, answers in found.items()}


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
