"""What a file is compared on: texts, steps of every kind, and the answers of Keras to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kerastx.analysis.entity_scores import word_tags
from kerastx.checkpoint.spans import answer_questions
from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tagging import tagged, token_probabilities
from kerastx.data.labelled import LabelledData
from kerastx.data.questions import QuestionData
from kerastx.data.tagged import TaggedData, joined
from kerastx.errors import DataError
from kerastx.runtime.answers import Answer
from kerastx.runtime.entities import TaggedUnits
from kerastx.runtime.results import OUTPUTS
from kerastx.text.encoding import Encoding
from kerastx.text.question_windows import question_windows
from kerastx_export.probe_texts import probe_pairs, probe_texts
from kerastx_export.signature import output_width
from kerastx_export.trace import keras_answers, served_model

Tensors = dict[str, np.ndarray]
# Not answered by a file: what Keras gives to each token, to look up the score of any span.
KERAS_ONLY = ("start_logits", "end_logits")
DevRows = LabelledData | TaggedData | QuestionData

_ALONE = 8
_TOGETHER = 16
_STEP = 32


@dataclass(frozen=True)
class Probe:
    """Inputs of one step, and what they are to find out."""

    name: str
    inputs: Tensors


class Comparison:
    """Texts and single steps, with what Keras answers to them; every file of an export is held against one.

    Attributes:
        task: of the checkpoint.
        source: what the texts are, in words.
        texts: real ones.
        pairs: the second text of each; None for single texts.
        targets: the right answers, as `LabelledData` has them but with the labels numbered as the checkpoint does; of
            texts that belong together these themselves, object (N, 2); None where they are not known.
        sentences: tagged ones, of which the texts are; None where there are none.
        questions: with answers, of which the texts are and, as pairs, the contexts; None where there are none.
        encodings: of the texts, cut to the length of the checkpoint; of questions all windows.
        lengths: of the encodings, in tokens.
    """

    texts: list[str]
    pairs: list[str] | None
    targets: np.ndarray | None

    def __init__(self, checkpoint: Checkpoint, dev: DevRows | None = None):
        self.task = checkpoint.task
        self._noun = "pair" if checkpoint.pair else "text"
        self.sentences: TaggedData | None = None
        self.questions: QuestionData | None = None
        if isinstance(dev, TaggedData):
            self.sentences = _checked_sentences(dev, checkpoint)
            self.texts, self.pairs, self.targets = [joined(row.words)[0] for row in dev.sentences], None, None
            self.source = f"{len(dev)} tagged sentences"
        elif isinstance(dev, QuestionData):
            self.questions = _checked_questions(dev, checkpoint)
            self.texts, self.targets = [row.text for row in dev.questions], None
            self.pairs = [row.context for row in dev.questions]
            self.source = f"{len(dev)} questions with answers"
        elif dev is None:
            self.texts, self.pairs = probe_pairs() if checkpoint.pair else (probe_texts(), None)
            self.targets = None
            self.source = f"{len(self.texts)} unlabelled {self._noun}s of our own"
        else:
            self.targets = _targets(dev, checkpoint)
            self.texts, self.pairs = list(dev.texts), None if dev.pairs is None else list(dev.pairs)
            if checkpoint.task == "embedding":  # each text has a vector of its own
                self.texts, self.pairs = [*self.texts, *(self.pairs or ())], None
            self.source = f"{len(dev)} labelled rows"
        self._checkpoint = checkpoint
        self.encodings = _encodings(checkpoint, self.texts, self.pairs)
        self.lengths = [len(encoding) for encoding in self.encodings]
        self._answers = keras_answers(served_model(checkpoint), checkpoint.task)

    @cached_property
    def outputs(self) -> Tensors:
        """What Keras answers to the texts: every output, float32 (number of texts, C, 1 or D), or (tokens, C)."""
        if self.task == "tagging":
            return {"probabilities": np.concatenate(token_probabilities(self._checkpoint, self.encodings))}
        shape = (len(self.texts), output_width(self._checkpoint))
        result = {name: np.zeros(shape, np.float32) for name in OUTPUTS[self.task]}
        order = sorted(range(len(self.texts)), key=self.lengths.__getitem__)
        for start in range(0, len(order), _STEP):
            rows = order[start : start + _STEP]
            inputs = self._checkpoint.tokenizer.pad([self.encodings[row] for row in rows])
            for name, values in self._answers(inputs).items():
                result[name][rows] = values
        return result

    def word_tags(self, tag: Callable[[list[str]], list[TaggedUnits]]) -> list[list[str]]:
        """Return the tags that `tag` gives to the words of the sentences."""
        if self.sentences is None:
            raise ValueError("there are no sentences to tag.")
        tags = self.sentences.tags
        return [word_tags(*row, tags) for row in zip(self.sentences.sentences, tag(self.texts), strict=True)]

    @cached_property
    def answers(self) -> list[Answer]:
        """What Keras answers to the questions."""
        return answer_questions(self._checkpoint, self.texts, self.pairs or ())

    def tag(self, texts: list[str]) -> list[TaggedUnits]:
        """Return the units of each text as Keras tags them."""
        return tagged(self._checkpoint, texts)

    @cached_property
    def steps(self) -> list[tuple[Probe, Tensors]]:
        """Every kind of step that a client may run, with all that Keras answers to it.

        Texts alone and together, a short text padded to the longest, and full rows of random tokens of the
        smallest and largest length that the graph takes. For questions the start_logits and
        end_logits of Keras are there too.
        """
        return [(probe, {**self._answers(probe.inputs), **self._logits(probe.inputs)}) for probe in self._probes()]

    def _logits(self, inputs: Tensors) -> Tensors:
        if self.task != "span":
            return {}
        return {name: np.asarray(value) for name, value in self._checkpoint.model.predict_on_batch(inputs).items()}

    def _probes(self) -> list[Probe]:
        tokenizer, max_length = self._checkpoint.tokenizer, self._checkpoint.max_length
        encodings = sorted(self.encodings, key=len)
        spread = _spread(encodings, _TOGETHER)
        probes = [
            Probe(f"a {self._noun} of {len(encoding)} tokens alone", tokenizer.pad([encoding]))
            for encoding in _spread(encodings, _ALONE)
        ]
        probes.append(Probe(f"{len(spread)} {self._noun}s padded to {len(spread[-1])} tokens", tokenizer.pad(spread)))
        probes.append(
            Probe(
                f"a {self._noun} of {len(encodings[0])} tokens padded to {max_length}",
                tokenizer.pad(encodings[:1], length=max_length),
            )
        )
        longest = self._checkpoint.config.max_sequence_length
        for rows, length in ((1, 1), (3, 1), (1, longest), (2, longest)):
            probes.append(Probe(f"{rows} × {length} random tokens", self._random_rows(rows, length)))
        return probes

    def _random_rows(self, rows: int, length: int) -> Tensors:
        """Return full rows of any token and segment; of several rows the last is half padded."""
        generator = np.random.default_rng(rows * 1_000_003 + length)
        config = self._checkpoint.config
        padding_mask = np.ones((rows, length), bool)
        if rows > 1:
            padding_mask[-1, max(1, length // 2) :] = False
        return {
            "token_ids": generator.integers(0, config.vocabulary_size, (rows, length)).astype(np.int32),
            "segment_ids": generator.integers(0, config.num_segments, (rows, length)).astype(np.int32),
            "padding_mask": padding_mask,
        }


def _spread(encodings: Sequence[Encoding], count: int) -> list[Encoding]:
    """Return up to `count` of them, from the first to the last."""
    return [encodings[index] for index in sorted(set(np.linspace(0, len(encodings) - 1, count).astype(int)))]


def _checked_sentences(dev: TaggedData, checkpoint: Checkpoint) -> TaggedData:
    if checkpoint.task != "tagging":
        raise DataError(f"the rows are tagged sentences, the model is for {checkpoint.task}")
    if set(dev.labels) - set(checkpoint.labels):
        raise DataError(f"the sentences have entities that the model does not know, of {', '.join(checkpoint.labels)}")
    return TaggedData(dev.sentences, checkpoint.labels)


def _encodings(checkpoint: Checkpoint, texts: list[str], pairs: list[str] | None) -> list[Encoding]:
    if checkpoint.span is None:
        return checkpoint.tokenizer.encode_batch(texts, pairs, max_length=checkpoint.max_length)
    sizes = {"max_length": checkpoint.max_length, "stride": checkpoint.span.stride}
    return [window.encoding for _, _, window in question_windows(checkpoint.tokenizer, texts, pairs or (), **sizes)]


def _checked_questions(dev: QuestionData, checkpoint: Checkpoint) -> QuestionData:
    if checkpoint.task != "span":
        raise DataError(f"the rows are questions about contexts, the model is for {checkpoint.task}")
    return dev


def _targets(dev: LabelledData, checkpoint: Checkpoint) -> np.ndarray | None:
    """Return the right answers to labelled rows, after checking that the rows are of the checkpoint's kind."""
    if not len(dev.texts):
        raise DataError("there are no labelled rows to compare on")
    if checkpoint.task == "tagging":
        raise DataError("the rows are labelled texts, the model finds entities in tagged sentences")
    if checkpoint.task == "span":
        raise DataError("the rows are labelled texts, the model answers questions about contexts")
    if checkpoint.pair and dev.pairs is None:
        raise DataError("the rows are single texts, the model answers pairs; name the column of the second text")
    if checkpoint.task == "embedding":  # a vector is neither right nor wrong, the similarity of two is
        if dev.task == "positives":
            return np.array(list(zip(dev.texts, dev.pairs or (), strict=True)), object)
        return dev.targets if dev.task == "regression" and dev.pairs is not None else None
    if dev.pairs is not None and not checkpoint.pair:
        raise DataError("the rows are pairs of texts, the model answers single ones")
    if dev.task != checkpoint.task:
        raise DataError(f"the rows are for {dev.task}, the model is for {checkpoint.task}")
    if checkpoint.task == "regression":
        return dev.targets
    names = dev.labels if checkpoint.task == "classification" else _used_names(dev)
    if unknown := sorted(set(names) - set(checkpoint.labels)):
        raise DataError(f"the rows have the label {unknown[0]!r}, the model knows {', '.join(checkpoint.labels)}")
    if checkpoint.task == "classification":
        numbers = {label: index for index, label in enumerate(checkpoint.labels)}
        return np.array([numbers[label] for label in dev.labels], np.int32)
    columns = {name: column for column, name in enumerate(dev.label_names)}
    return np.stack(
        [
            dev.targets[:, columns[label]] if label in columns else np.zeros(len(dev), np.float32)
            for label in checkpoint.labels
        ],
        axis=1,
    )


def _used_names(dev: LabelledData) -> list[str]:
    return [name for name, column in zip(dev.label_names, dev.targets.T, strict=True) if column.any()]
