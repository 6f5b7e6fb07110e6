"""From the best spans of each window to the answer to a question; long contexts are read in windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kerastx.text.encoding import Encoding, TextEncoder
from kerastx.text.question_windows import QuestionWindow, SpanSettings, characters_of, question_windows

# Different texts that a person gets.
CANDIDATES = 5
# Windows that are laid out and run together, and spans of a context that are kept: a long one takes little memory.
WINDOWS_AT_ONCE = 256
SPANS_KEPT = 100

# Encodings -> null_score float (N, 1), scores float (N, K), starts and ends int (N, K).
BestSpans = Callable[[list[Encoding]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Candidate:
    """A part of the context that may answer a question.

    Attributes:
        text: as it stands in the context; "" for no answer.
        start, end: characters; context[start:end] is it.
        probability: among the candidates; they sum to 1.
        score: the logits of begin and end, added up; of no answer less the model's threshold.
    """

    text: str
    start: int
    end: int
    probability: float
    score: float


@dataclass(frozen=True)
class Answer:
    """The answer to a question; false where the context holds none.

    Attributes:
        text: as it stands in the context; "" for no answer.
        start, end: characters; context[start:end] is it.
        probability: among the candidates.
        score: the logits of begin and end, added up.
        candidates: the most probable different texts, the best first; "no answer" is one of them, with the text "", for
            a model that has learned from questions without an answer.
        no_answer_score: how much higher than the best text "no answer" scores; None for a model that always answers,
            and for a context without a word.
    """

    text: str
    start: int
    end: int
    probability: float
    score: float
    candidates: tuple[Candidate, ...] = ()
    no_answer_score: float | None = None

    def __bool__(self) -> bool:
        return bool(self.text)


def find_answers(
    questions: Sequence[str],
    contexts: Sequence[str],
    tokenizer: TextEncoder,
    settings: SpanSettings,
    *,
    max_length: int,
    best_spans: BestSpans,
) -> list[Answer]:
    """Return the answer to each question: the best span of all windows of its context.

    Args:
        questions, contexts: as many of each.
        tokenizer: of the model.
        settings: how answers are looked for.
        max_length: tokens of a window.
        best_spans: runs the model.

    Raises:
        ValueError: there are not as many contexts as questions.
    """
    answers: list[Answer] = []
    found: dict[int, _Found] = {}
    waiting: list[tuple[int, QuestionWindow]] = []

    def run(up_to: int) -> None:
        outputs = best_spans([window.encoding for _, window in waiting])
        for place, (row, window) in enumerate(waiting):
            found[row].add(window, {name: values[place] for name, values in outputs.items()})
        waiting.clear()
        while len(answers) < up_to:  # the questions come in order
            row = len(answers)
            answers.append(found.pop(row).answer(contexts[row], settings))

    sizes = {"max_length": max_length, "stride": settings.stride}
    for row, parts, window in question_windows(tokenizer, questions, contexts, **sizes):
        found.setdefault(row, _Found(parts.offsets))
        waiting.append((row, window))
        if len(waiting) == WINDOWS_AT_ONCE:
            run(up_to=row)
    if waiting:
        run(up_to=len(questions))
    return answers


class _Found:
    """The spans of one context, gathered over its windows."""

    def __init__(self, offsets: np.ndarray) -> None:
        self.offsets = offsets
        self.null_score = np.inf
        self.spans: dict[tuple[int, int], float] = {}  # tokens of the whole context -> the best score

    def add(self, window: QuestionWindow, outputs: dict[str, np.ndarray]) -> None:
        # A window that is sure of an answer says that the context has one, whatever the others say.
        self.null_score = min(self.null_score, float(outputs["null_score"][0]))
        spans = zip(outputs["scores"].tolist(), outputs["starts"].tolist(), outputs["ends"].tolist(), strict=True)
        for score, start, end in spans:
            # Of a window with fewer spans than the graph answers the rest lie outside of the context.
            if window.first <= start <= end < window.first + window.length:
                span = start - window.first + window.start, end - window.first + window.start
                self.spans[span] = max(score, self.spans.get(span, -np.inf))
        if len(self.spans) > 4 * SPANS_KEPT:
            self.spans = dict(self._ranked()[:SPANS_KEPT])

    def _ranked(self) -> list[tuple[tuple[int, int], float]]:
        return sorted(self.spans.items(), key=lambda item: (-item[1], item[0]))

    def answer(self, context: str, settings: SpanSettings) -> Answer:
        best = self._different_texts(context)
        threshold = settings.no_answer_threshold
        if threshold is None and best:
            candidates = _with_probabilities(best)
            return Answer(*_fields(candidates[0]), tuple(candidates))
        none = Candidate("", 0, 0, 1.0, self.null_score - (threshold or 0.0))
        if not best:  # a context without a word
            return Answer(*_fields(none), (none,))
        # Sorting keeps a text before "no answer" where both score the same.
        candidates = sorted(_with_probabilities([*best, none]), key=lambda one: -one.score)
        return Answer(*_fields(candidates[0]), tuple(candidates), self.null_score - best[0].score)

    def _different_texts(self, context: str) -> list[Candidate]:
        best: dict[str, Candidate] = {}
        for (first, last), score in self._ranked():
            start, end = characters_of(context, self.offsets, first, last)
            text = context[start:end]
            if text and text not in best:
                best[text] = Candidate(text, start, end, 0.0, score)
            if len(best) == CANDIDATES:
                break
        return list(best.values())


def _fields(candidate: Candidate) -> tuple[str, int, int, float, float]:
    return candidate.text, candidate.start, candidate.end, candidate.probability, candidate.score


def _with_probabilities(candidates: list[Candidate]) -> list[Candidate]:
    scores = np.array([candidate.score for candidate in candidates])
    weights = np.exp(scores - scores.max())
    shares = (weights / weights.sum()).tolist()
    return [
        Candidate(one.text, one.start, one.end, share, one.score) for one, share in zip(candidates, shares, strict=True)
    ]
