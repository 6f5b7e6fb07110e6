"""An exported file, opened: texts in, answers out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, overload

import numpy as np

from kerastx.artifact import Manifest, read_artifact
from kerastx.errors import ArtifactError, DataError, MissingExtraError
from kerastx.runtime.answers import Answer, find_answers
from kerastx.runtime.engines import Engine, Tokenizing, open_engine
from kerastx.runtime.entities import Entity, TaggedUnits, entities_in, tag_units
from kerastx.runtime.graph_tokenizer import GraphTokenizer
from kerastx.runtime.results import LABEL_TASKS, OUTPUTS, WINDOWED_TASKS, Result, answers
from kerastx.runtime.text_entries import checked_text_entry
from kerastx.runtime.text_runs import run_texts
from kerastx.runtime.texts import checked_pairs, checked_texts, contexts_of, is_one_text
from kerastx.text.encoding import Encoding, TextEncoder
from kerastx.text.question_windows import SpanSettings, context_separator
from kerastx.text.tags import bio_tags

# A step runs at most so many rows and tokens: enough to fill a CPU, little memory for the attention scores.
MAX_ROWS = 32
MAX_TOKENS = 4096


def load(path: str | os.PathLike[str], *, threads: int = 1) -> Session:
    """Open a .tflite or .onnx file that answers.

    Args:
        path: of a file that `kerastx export` wrote.
        threads: that the engine may use for one step.

    Raises:
        ArtifactError: the file is missing, not ours, truncated, altered, or newer than this version.
        MissingExtraError: the engine for this kind of file is not installed, or the tokenizers library, for a file
            that has no tokenizer in its graph.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}.")
    artifact = read_artifact(path)
    manifest = artifact.manifest
    if way_out := {"language_model": "generate", "seq2seq": "translate or summarize"}.get(manifest.task):
        raise ArtifactError(f"{path} writes texts; use kerastx {way_out}, or kerastx.load in Python")
    if manifest.task not in OUTPUTS:
        raise ArtifactError(f"{path} holds a {manifest.task} model; this kerastx runs {', '.join(OUTPUTS)}")
    try:
        engine = open_engine(artifact.content, artifact.engine_format, threads=threads)
        tokenizer = _tokenizer(manifest, engine)
    except (ArtifactError, DataError) as error:
        raise ArtifactError(f"{path}: {error}") from error
    if problem := _mismatch(manifest, engine) or _no_settings(manifest, tokenizer):
        raise ArtifactError(f"{path}: {problem}")
    return Session(manifest, tokenizer, engine)


def _tokenizer(manifest: Manifest, engine: Engine) -> TextEncoder:
    """Return the tokenizer in the graph, or the library's where there is none."""
    if manifest.text or engine.text_inputs:
        if isinstance(engine, Tokenizing):
            return GraphTokenizer(manifest, engine)
        checked_text_entry(manifest, engine)
    try:
        from kerastx.text.tokenizer import Tokenizer
    except MissingExtraError as error:
        way_out = ", or export a .tflite with --input both, which needs none"
        raise MissingExtraError("tokenizers", "tokenizers", way_out=way_out) from error
    return Tokenizer.from_json(manifest.tokenizer)


def _mismatch(manifest: Manifest, engine: Engine) -> str:
    """Return where the manifest, the graph and what a session reads from it disagree, or nothing."""
    given = engine.inputs or dict.fromkeys(engine.text_inputs, np.dtype(np.uint8))
    for side, dtypes in (("inputs", given), ("outputs", engine.outputs)):
        promised = {tensor["name"]: tensor["dtype"] for tensor in manifest.signature[side]}
        found = {name: dtype.name for name, dtype in dtypes.items()}
        if promised != found:
            return f"the manifest promises the {side} {promised}, the graph has {found}"
    shapes = {tensor["name"]: tensor["shape"] for tensor in manifest.signature["outputs"]}
    needed = OUTPUTS[manifest.task]
    if sorted(shapes) != sorted(needed):
        return f"the graph answers {', '.join(shapes)}; expected {', '.join(needed)} of the task {manifest.task}"
    if len(set(manifest.labels)) != len(manifest.labels):
        return "two labels have the same name"
    for name in needed:
        if problem := _wrong_width(manifest, name, shapes[name]):
            return problem
    return ""


def _no_settings(manifest: Manifest, tokenizer: TextEncoder) -> str:
    """Return what is wrong with how answers are to be looked for, or nothing."""
    if manifest.task != "span":
        return ""
    try:
        SpanSettings.from_dict(manifest.span)
        context_separator(tokenizer)
    except (DataError, ValueError) as error:
        return str(error)
    return "" if manifest.pair else "it answers questions, but says that it takes single texts"


def _wrong_width(manifest: Manifest, name: str, shape: list[Any]) -> str:
    if manifest.task == "tagging":
        if shape[2:] != [len(bio_tags(manifest.labels))]:
            return f"there are {len(manifest.labels)} kinds of entities and {name} of the shape {shape}"
    elif manifest.task in LABEL_TASKS:
        if shape[1:] != [len(manifest.labels)]:
            return f"there are {len(manifest.labels)} labels and {name} of the shape {shape}"
    elif manifest.labels:
        return f"it has labels, which the task {manifest.task} has not"
    elif manifest.task == "span":
        if len(shape) != 2 or type(shape[1]) is not int or shape[1] < 1 or (name == "null_score" and shape[1] != 1):
            return f"expected a number of spans for each window, got {name} of the shape {shape}"
    elif manifest.task == "regression" and shape[1:] != [1]:
        return f"expected one number for each text, got {name} of the shape {shape}"
    elif len(shape) != 2 or type(shape[1]) is not int or shape[1] < 1:
        return f"expected one vector for each text, got {name} of the shape {shape}"
    return ""


class Session:
    """A model ready to answer; safe to share between threads.

    Attributes:
        manifest: of the file.
        labels: the names of the C classes, in the order of the probabilities, or the kinds of entities; none where the
            task has neither.
    """

    def __init__(self, manifest: Manifest, tokenizer: TextEncoder, engine: Engine):
        self.manifest = manifest
        self.labels = manifest.labels
        self.tokenizer = tokenizer
        self.engine = engine

    @overload
    def __call__(self, texts: str, pairs: str | None = None) -> Any: ...
    @overload
    def __call__(self, texts: Iterable[str], pairs: Iterable[str] | None = None) -> list[Any]: ...

    def __call__(self, texts, pairs=None):
        """Return the answer to a text, or to each of several.

        Texts longer than `manifest.max_length` tokens are cut; by a file that takes no ids those too that are longer
        than `manifest.text["budget"]` bytes.

        Args:
            texts: a string, or several.
            pairs: the second text of each, in the same form; for a file that answers pairs, and only for one. Of a
                question it is the context; one string serves several questions.

        Returns:
            By task a `Classification`, a `MultiLabel`, a `Regression`, for "embedding" a float32 (D,) array, for
            "tagging" the list of `Entity`s, of texts of any length, or for "span" the `Answer` to a question, with a
            context of any length; a list of them for several texts.

        Raises:
            TypeError: anything but strings.
            ValueError: pairs are missing, not wanted, or not as many as the texts.
        """
        if is_one_text(texts, pairs):
            return self._answers([texts], None if pairs is None else [pairs])[0]
        return self._answers(texts, pairs)

    def _answers(
        self, texts: Iterable[str], pairs: Iterable[str] | None
    ) -> list[Result] | list[list[Entity]] | list[Answer]:
        if self.manifest.task == "tagging":
            if pairs is not None:
                raise ValueError("this file answers single texts: it takes no pairs.")
            texts = checked_texts(texts)
            tags = bio_tags(self.labels)
            return [entities_in(text, units, tags) for text, units in zip(texts, self.tag(texts), strict=True)]
        if self.manifest.task == "span":
            questions = checked_texts(texts, "question")
            return self.answer(questions, contexts_of(questions, pairs))
        return answers(self.manifest.task, self.labels, self.predict(texts, pairs))

    def tag(self, texts: Iterable[str]) -> list[TaggedUnits]:
        """Return the words, marks and ideographs of each text with their tags; ValueError for another task."""
        if self.manifest.task != "tagging":
            raise ValueError(f"a file for {self.manifest.task} finds no entities.")
        return tag_units(
            checked_texts(texts),
            self.tokenizer,
            bio_tags(self.labels),
            max_length=self.manifest.max_length,
            token_probabilities=self.token_probabilities,
        )

    def answer(self, questions: Iterable[str], contexts: Iterable[str]) -> list[Answer]:
        """Return the answer to each question, a part of its context; ValueError for another task."""
        if self.manifest.task != "span":
            raise ValueError(f"a file for {self.manifest.task} answers no questions.")
        return find_answers(
            checked_texts(questions, "question"),
            checked_texts(contexts, "context"),
            self.tokenizer,
            SpanSettings.from_dict(self.manifest.span),
            max_length=self.manifest.max_length,
            best_spans=self.best_spans,
        )

    def best_spans(self, encodings: list[Encoding]) -> dict[str, np.ndarray]:
        """Return the best spans of each encoding: null_score float32 (N, 1), scores float32, starts, ends int32."""
        return self._outputs(encodings)

    def token_probabilities(self, encodings: list[Encoding]) -> list[np.ndarray]:
        """Return the probabilities of the tags of each token of each encoding, float32 (L, C) each."""
        found = [np.zeros((0, 0), np.float32)] * len(encodings)
        for rows in _steps([len(encoding) for encoding in encodings]):
            outputs = self.engine.run(self.tokenizer.pad([encodings[row] for row in rows]))
            for row, values in zip(rows, outputs["probabilities"], strict=True):
                found[row] = values[: len(encodings[row])]
        return found

    def predict_probabilities(self, texts: Iterable[str], pairs: Iterable[str] | None = None) -> np.ndarray:
        """Return the probabilities of every label for each text, float32 (number of texts, C).

        ValueError for a task without labels; see `predict`.
        """
        if self.manifest.task not in LABEL_TASKS:
            raise ValueError(f"a file for {self.manifest.task} answers no probabilities; use predict.")
        return self.predict(texts, pairs)["probabilities"]

    def predict(self, texts: Iterable[str], pairs: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Return every output of the graph for each of N texts, or pairs of texts.

        Returns:
            By task: logits and probabilities, float32 (N, C); score, float32 (N, 1); vector, float32 (N, D).

        Raises:
            TypeError, ValueError: see `__call__`.
        """
        if self.manifest.task in WINDOWED_TASKS:
            doing, way_out = {
                "tagging": ("finds entities", "call it, or use tag"),
                "span": ("answers questions", "call it, or use answer"),
            }[self.manifest.task]
            raise ValueError(f"a file that {doing} has no numbers for whole texts; {way_out}.")
        if self.manifest.pair and pairs is None:
            raise ValueError("this file answers pairs of texts: give the second ones as pairs.")
        if pairs is not None and not self.manifest.pair:
            raise ValueError("this file answers single texts: it takes no pairs.")
        texts, pairs = checked_texts(texts), checked_pairs(pairs)
        if texts and not self.engine.inputs:
            found = run_texts(self.engine, texts, pairs, budget=self.manifest.text["budget"])
            return {name: found[name] for name in self.engine.outputs}
        return self._outputs(self.tokenizer.encode_batch(texts, pairs, max_length=self.manifest.max_length))

    def _outputs(self, encodings: list[Encoding]) -> dict[str, np.ndarray]:
        """Return every output of the graph for each encoding, (N, ...)."""
        widths = {tensor["name"]: tensor["shape"][1] for tensor in self.manifest.signature["outputs"]}
        results = {name: np.zeros((len(encodings), widths[name]), dtype) for name, dtype in self.engine.outputs.items()}
        for rows in _steps([len(encoding) for encoding in encodings]):
            outputs = self.engine.run(self.tokenizer.pad([encodings[row] for row in rows]))
            for name, values in outputs.items():
                results[name][rows] = values
        return results


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
