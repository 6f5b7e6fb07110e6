"""An exported file, opened: texts in, answers out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import overload

import numpy as np

from kerastx.artifact import Manifest, read_artifact
from kerastx.errors import ArtifactError, DataError
from kerastx.runtime.engines import Engine, open_engine
from kerastx.runtime.results import Classification
from kerastx.text.tokenizer import Encoding, Tokenizer

# A step runs at most so many rows and tokens: enough to fill a CPU, little memory for the attention scores.
MAX_ROWS = 32
MAX_TOKENS = 4096


def load(path: str | os.PathLike[str], *, threads: int = 1) -> Session:
    """Open a .tflite or .onnx file that `kerastx export` wrote.

    Args:
        path: the file.
        threads: that the engine may use for one step.

    Raises:
        ArtifactError: the file is missing, not ours, truncated, altered, or newer than this version.
        MissingExtraError: the engine for this kind of file is not installed.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}.")
    artifact = read_artifact(path)
    manifest = artifact.manifest
    if manifest.task != "classification":
        raise ArtifactError(f"{path} holds a {manifest.task} model; this kerastx runs classification")
    try:
        tokenizer = Tokenizer.from_json(manifest.tokenizer)
        engine = open_engine(artifact.content, artifact.engine_format, threads=threads)
    except (ArtifactError, DataError) as error:
        raise ArtifactError(f"{path}: {error}") from error
    if problem := _mismatch(manifest, engine):
        raise ArtifactError(f"{path}: {problem}")
    return Session(manifest, tokenizer, engine)


def _mismatch(manifest: Manifest, engine: Engine) -> str:
    """Return where the manifest, the graph and what a session reads from it disagree, or nothing."""
    for side, dtypes in (("inputs", engine.inputs), ("outputs", engine.outputs)):
        promised = {tensor["name"]: tensor["dtype"] for tensor in manifest.signature[side]}
        found = {name: dtype.name for name, dtype in dtypes.items()}
        if promised != found:
            return f"the manifest promises the {side} {promised}, the graph has {found}"
    shapes = {tensor["name"]: tensor["shape"] for tensor in manifest.signature["outputs"]}
    if "probabilities" not in shapes:
        return f"the graph answers {', '.join(shapes)}; expected probabilities among them"
    if len(set(manifest.labels)) != len(manifest.labels):
        return "two labels have the same name"
    for name, shape in shapes.items():
        if shape[1:] != [len(manifest.labels)]:
            return f"there are {len(manifest.labels)} labels and {name} of the shape {shape}"
    return ""


class Session:
    """A classifier ready to answer; safe to share between threads.

    Attributes:
        manifest: of the file.
        labels: the names of the C classes, in the order of the probabilities.
    """

    def __init__(self, manifest: Manifest, tokenizer: Tokenizer, engine: Engine):
        self.manifest = manifest
        self.labels = manifest.labels
        self.tokenizer = tokenizer
        self.engine = engine

    @overload
    def __call__(self, texts: str) -> Classification: ...
    @overload
    def __call__(self, texts: Iterable[str]) -> list[Classification]: ...

    def __call__(self, texts):
        """Return the most probable label of a text, or of each of several.

        Texts longer than `manifest.max_length` tokens are cut. TypeError for anything but strings.
        """
        if isinstance(texts, str):
            return self._answer(self.predict_probabilities([texts])[0])
        return [self._answer(row) for row in self.predict_probabilities(texts)]

    def predict_probabilities(self, texts: Iterable[str]) -> np.ndarray:
        """Return the probabilities of every label for each text, float32 (number of texts, C)."""
        return self.predict(texts)["probabilities"]

    def predict(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        """Return every output of the graph for each text: logits and probabilities, float32 (number of texts, C)."""
        encodings = self.tokenizer.encode_batch(_checked(texts), max_length=self.manifest.max_length)
        shape = (len(encodings), len(self.labels))
        results = {name: np.zeros(shape, dtype) for name, dtype in self.engine.outputs.items()}
        for rows in _steps([len(encoding) for encoding in encodings]):
            outputs = self.engine.run(self._inputs([encodings[row] for row in rows]))
            for name, values in outputs.items():
                results[name][rows] = values
        return results

    def _inputs(self, encodings: list[Encoding]) -> dict[str, np.ndarray]:
        return self.tokenizer.pad(encodings)

    def _answer(self, probabilities: np.ndarray) -> Classification:
        order = np.argsort(-probabilities, kind="stable")
        ranked = {self.labels[index]: float(probabilities[index]) for index in order}
        best = self.labels[order[0]]
        return Classification(label=best, probability=ranked[best], probabilities=ranked)


def _checked(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise TypeError(f"expected a string or several, got {type(texts).__name__}.")
    texts = list(texts)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {position} must be a string, got {type(text).__name__}.")
    return texts


def _steps(lengths: list[int]) -> Iterator[list[int]]:
    """Yield row numbers that run together: rows of similar length, so that little of a step is padding."""
    step: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        # Sorted, so the row at hand is the longest and sets the width of the step.
        if step and (len(step) == MAX_ROWS or (len(step) + 1) * lengths[row] > MAX_TOKENS):
            yield step
            step = []
        step.append(row)
    if step:
        yield step
