"""How probable texts are to a model that writes, and which token comes next; see `text_probabilities`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kerastx.runtime.generation import SLOTS_AT_ONCE, Vocabularies
from kerastx.runtime.sampling import log_softmax
from kerastx.runtime.step_decoder import Steps
from kerastx.runtime.text_probabilities import (
    LOGITS_AT_ONCE,
    ROWS_AT_ONCE,
    Batch,
    ReadLogits,
    Row,
    batch_of,
    log_probabilities,
    parts,
    step_logits,
)
from kerastx.runtime.texts import checked_texts
from kerastx.text.encoding import Encoding


@dataclass(frozen=True)
class TextScore:
    """How probable a text is.

    Attributes:
        tokens: as they stand in the vocabulary.
        log_probabilities: of each of them, natural logarithms.
    """

    tokens: tuple[str, ...]
    log_probabilities: tuple[float, ...]

    @property
    def log_probability(self) -> float:
        """Of all tokens together."""
        return math.fsum(self.log_probabilities)

    @property
    def perplexity(self) -> float:
        """How many equally probable tokens each one was chosen from, in the mean; 1 for a text without tokens."""
        return math.exp(-self.log_probability / max(len(self.tokens), 1))


@dataclass(frozen=True)
class Scorer:
    """Gives tokens their probabilities.

    Attributes:
        vocabularies: of the model.
        read: what computes the logits.
        places_at_once: tokens that are read together, padding included, at most, but for a single row.
        rows_at_once: rows of them.
    """

    vocabularies: Vocabularies
    read: ReadLogits
    places_at_once: int
    rows_at_once: int

    def score(self, texts: Sequence[str], targets: Sequence[str] | None = None, *, first: int = 0) -> list[TextScore]:
        """Return how probable each text is; of an encoder-decoder each target, with its end, given its source.

        Args:
            texts: N strings; sources are cut to `max_length` tokens.
            targets: N strings, of an encoder-decoder and only of it.
            first: number of the first text, for errors.

        Raises:
            TypeError: anything but strings.
            ValueError: a text has more tokens than the model has room for, or targets are missing or too many.
        """
        texts, targets = self._checked(texts, targets)
        rows = self._rows(texts, targets, first)
        # A text without tokens is certain: there is nothing to read.
        asked = [number for number, row in enumerate(rows) if row.scored]
        found = dict(zip(asked, self.log_probabilities([rows[number] for number in asked]), strict=True))
        token = self.vocabularies.tokenizer.token
        return [
            TextScore(
                tuple(token(int(one)) for one in row.token_ids[len(row.token_ids) - row.scored :]),
                tuple(found[number].tolist()) if number in found else (),
            )
            for number, row in enumerate(rows)
        ]

    def log_probabilities(
        self, rows: Sequence[Row], *, on_done: Callable[[int], None] | None = None
    ) -> list[np.ndarray]:
        """Return the log-probabilities of the scored tokens of each row, float64 (scored,), in order.

        Args:
            rows: in any order; those of like length are read together.
            on_done: called with the number of rows that are done.
        """
        found: dict[int, np.ndarray] = {}
        for numbers in self.parts(rows):
            part = [rows[number] for number in numbers]
            found |= zip(numbers, log_probabilities(self.read, part, self.batch(part)), strict=True)
            if on_done is not None:
                on_done(len(found))
        return [found[number] for number in range(len(rows))]

    def parts(self, rows: Sequence[Row]) -> Iterator[list[int]]:
        """Yield the numbers of rows that are read together."""
        return parts(rows, places_at_once=self.places_at_once, rows_at_once=self.rows_at_once)

    def batch(self, rows: Sequence[Row]) -> Batch:
        return batch_of(rows, self.vocabularies.source_tokenizer)

    def next_words(self, text: str, target: str | None = None, *, top: int) -> list[tuple[str, float]]:
        """Return the most probable next tokens, the best first, with their probabilities.

        Args:
            text: that is gone on from; of an encoder-decoder the source.
            target: of an encoder-decoder what is written so far.
            top: how many.
        """
        (text,), targets = self._checked([text], None if target is None else [target])
        tokenizer = self.vocabularies.tokenizer
        (ids,) = tokenizer.encode_ids([text] if targets is None else targets)
        before = tokenizer.template.before if targets is None else tokenizer.begin_ids
        tokens = [*before, *ids.tolist()] or [*tokenizer.begin_ids]
        check_room(0, len(tokens), self.vocabularies.places)
        # A row's last token is not read, and any will do.
        row = Row(np.array([*tokens, 0], np.int32), 1, None if targets is None else self._sources([text])[0])
        (logits,) = deque(self.read(self.batch([row])), maxlen=1)
        last = log_softmax(logits[0])[: tokenizer.vocabulary_size]
        best = np.argsort(-last, kind="stable")[:top]
        return [(tokenizer.token(int(one)), float(np.exp(last[one]))) for one in best]

    def _checked(self, texts: Sequence[str], targets: Sequence[str] | None) -> tuple[list[str], list[str] | None]:
        task = "language_model" if self.vocabularies.source_tokenizer is None else "seq2seq"
        return checked_columns(task, texts, targets)

    def _rows(self, texts: list[str], targets: list[str] | None, first: int) -> list[Row]:
        tokenizer = self.vocabularies.tokenizer
        # The first token is scored too: before it stands what a text begins with where nothing else does.
        begin, end = tokenizer.begin_ids, () if targets is None else tokenizer.end_ids[:1]
        sources = [None] * len(texts) if targets is None else [*self._sources(texts)]
        rows = []
        for number, ids in enumerate(tokenizer.encode_ids(texts if targets is None else targets)):
            scored = len(ids) + len(end)
            check_room(first + number, scored, self.vocabularies.places - len(begin) + 1)
            rows.append(Row(np.concatenate([begin, ids, end]).astype(np.int32), scored, sources[number]))
        return rows

    def _sources(self, texts: list[str]) -> list[Encoding]:
        return self.vocabularies.encoder.encode_batch(texts, max_length=self.vocabularies.max_length)


def step_scorer(vocabularies: Vocabularies, steps: Steps) -> Scorer:
    """Return what scores with steps alone, one token of all rows after the other."""
    rows_at_once = max(1, min(ROWS_AT_ONCE, LOGITS_AT_ONCE // vocabularies.vocabulary_size))
    return Scorer(vocabularies, lambda batch: step_logits(steps, batch), SLOTS_AT_ONCE, rows_at_once)


def checked_columns(
    task: str, texts: Sequence[str], targets: Sequence[str] | None
) -> tuple[list[str], list[str] | None]:
    """Return texts, and the target of each where the task is "seq2seq", as lists.

    Raises:
        TypeError: anything but strings.
        ValueError: targets are missing, or there are too many.
    """
    texts = checked_texts(texts)
    if (task == "seq2seq") != (targets is not None):
        raise ValueError(
            f"a model of the task {task} scores a target for each text: give them."
            if targets is None
            else f"a model of the task {task} scores texts alone, got targets too."
        )
    if targets is None:
        return texts, None
    targets = checked_texts(targets, "target")
    if len(targets) != len(texts):
        raise ValueError(f"targets must be as many as texts, got {len(targets)} and {len(texts)}.")
    return texts, targets


def check_room(number: int, length: int, places: int) -> None:
    """ValueError for a text of more tokens than there are places."""
    if length > places:
        raise ValueError(f"text {number} has {length} tokens, and the model has room for {places}: shorten it.")
