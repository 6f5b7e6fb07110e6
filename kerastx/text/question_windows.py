"""A question and its context as rows that a model can read: a long context in overlapping windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kerastx.errors import DataError
from kerastx.text.encoding import Encoding, TextEncoder

# A longer question is cut to this share of the window: the context is what holds the answer.
QUESTION_SHARE = 1 / 3
# Tokens; every begin is tried with as many ends.
LONGEST_ANSWER = 512


@dataclass(frozen=True, kw_only=True)
class SpanSettings:
    """How answers are looked for; part of a checkpoint and of an exported file.

    Attributes:
        stride: tokens from the beginning of a window to that of the next one, at most half of the room for the context.
        max_answer_tokens: an answer has at most so many.
        no_answer_threshold: there is no answer where "none" scores higher than the best one by more than this; None
            for a model that always answers, as it has seen no question without an answer.
    """

    stride: int = 128
    max_answer_tokens: int = 30
    no_answer_threshold: float | None = None

    def __post_init__(self) -> None:
        for name in ("stride", "max_answer_tokens"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a positive whole number, got {value!r}.")
        if self.max_answer_tokens > LONGEST_ANSWER:
            raise ValueError(f"max_answer_tokens must be at most {LONGEST_ANSWER}, got {self.max_answer_tokens}.")
        threshold = self.no_answer_threshold
        if threshold is not None and (
            not isinstance(threshold, int | float) or isinstance(threshold, bool) or not np.isfinite(threshold)
        ):
            raise ValueError(f"no_answer_threshold must be a finite number or null, got {threshold!r}.")

    @classmethod
    def from_dict(cls, values: Any) -> SpanSettings:
        """Read what `to_dict` wrote; ValueError for anything else."""
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) != known:
            raise ValueError(f"expected an object with {', '.join(sorted(known))} as the settings, got {values!r}.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


class Separator(NamedTuple):
    """A context begins behind the `separators`th token with this id, and ends at the next one."""

    separator_id: int
    separators: int


def context_separator(tokenizer: TextEncoder) -> Separator:
    """Return what tells a context from its question in the token ids of a pair, whatever the segment ids say.

    No text has a special token's id: BERT's context stands behind the first [SEP], RoBERTa's behind the second </s>.

    Raises:
        DataError: the template does not begin with a special token, or puts no separator before and behind the context.
    """
    slots = tokenizer.template.slots(is_pair=True)
    place = next(index for index, slot in enumerate(slots) if slot.text == 1)

    def separators(part: Sequence[Any]) -> int:
        return sum(slot.text is None and slot.token_id == tokenizer.sep_id for slot in part)

    before, behind = separators(slots[:place]), separators(slots[place:])
    in_order = slots[0].text is None and any(slot.text == 0 for slot in slots[:place])
    if not (before and behind and in_order):
        raise DataError(
            "expected a tokenizer that puts a special token before a question, and separators before and behind its "
            "context; got another template"
        )
    return Separator(tokenizer.sep_id, before)


class QuestionWindow(NamedTuple):
    """A question and a part of its context.

    Attributes:
        encoding: at most max_length tokens; the offsets of the context's tokens are characters of the whole context.
        first: place in the encoding of the first token of the context.
        start: number, in the whole context, of that token.
        length: tokens of the context.
    """

    encoding: Encoding
    first: int
    start: int
    length: int


class Parts(NamedTuple):
    """The tokens of a text without special ones: int32 (L,) and their character ranges, int32 (L, 2)."""

    token_ids: np.ndarray
    offsets: np.ndarray


def token_parts(tokenizer: TextEncoder, texts: Sequence[str]) -> list[Parts]:
    """Return the tokens of each text, uncut."""
    slots = tokenizer.template.slots(is_pair=False)
    before = next(index for index, slot in enumerate(slots) if slot.text == 0)
    behind = len(slots) - before - 1
    found = []
    for encoding in tokenizer.encode_batch(texts):
        rows = slice(before, len(encoding) - behind)
        found.append(Parts(encoding.token_ids[rows], encoding.offsets[rows]))
    return found


class Windows:
    """Lays questions and contexts out in windows.

    Args:
        tokenizer: of the model.
        max_length: tokens of a window, special ones included.
        stride: see `SpanSettings`.

    Raises:
        DataError: see `context_separator`.
        ValueError: the window has no room for a context, or the stride is below 1.
    """

    def __init__(self, tokenizer: TextEncoder, *, max_length: int, stride: int):
        context_separator(tokenizer)
        self._slots = tokenizer.template.slots(is_pair=True)
        self._prototype = tokenizer.encode("")
        special = tokenizer.template.num_special(is_pair=True)
        self.max_question = int(max_length * QUESTION_SHARE)
        if max_length - special - self.max_question < 2 or self.max_question < 1:
            raise ValueError(f"max_length must leave room for a question and its context, got {max_length}.")
        if stride < 1:
            raise ValueError(f"stride must be at least 1, got {stride}.")
        self._room = max_length - special
        self._stride = stride

    def __call__(self, question: Parts, context: Parts) -> Iterator[QuestionWindow]:
        """Yield the windows of a context, in order; every token of it is in one, the last one ends with it.

        A part of the context of at most half of the room that the question leaves is whole in one of them.
        """
        question = Parts(question.token_ids[: self.max_question], question.offsets[: self.max_question])
        room = self._room - len(question.token_ids)
        step = min(self._stride, max(1, room // 2))
        count, start = len(context.token_ids), 0
        while True:
            stop = min(start + room, count)
            yield self._window(question, Parts(context.token_ids[start:stop], context.offsets[start:stop]), start)
            if stop == count:
                return
            start = min(start + step, count - room)

    def _window(self, question: Parts, context: Parts, start: int) -> QuestionWindow:
        ids: list[np.ndarray] = []
        segments: list[np.ndarray] = []
        offsets: list[np.ndarray] = []
        first = 0
        for text, token_id, segment_id in self._slots:
            part = _SPECIAL if text is None else (question, context)[text]
            if text == 1:
                first = sum(map(len, ids))
            ids.append(np.array([token_id], np.int32) if text is None else part.token_ids)
            offsets.append(part.offsets)
            segments.append(np.full(len(ids[-1]), segment_id, np.int32))
        encoding = dataclasses.replace(
            self._prototype,
            token_ids=np.concatenate(ids),
            segment_ids=np.concatenate(segments),
            offsets=np.concatenate(offsets),
        )
        return QuestionWindow(encoding, first, start, len(context.token_ids))


def question_windows(
    tokenizer: TextEncoder, questions: Sequence[str], contexts: Sequence[str], *, max_length: int, stride: int
) -> Iterator[tuple[int, Parts, QuestionWindow]]:
    """Yield, for each question in order, its number, the tokens of its context and one of its windows after another.

    ValueError where there are not as many contexts as questions; see `Windows`.
    """
    if len(questions) != len(contexts):
        raise ValueError(f"contexts must be as many as questions, got {len(contexts)} and {len(questions)}.")
    layout = Windows(tokenizer, max_length=max_length, stride=stride)
    different = list(dict.fromkeys(contexts))  # many questions are about the same one
    parts = dict(zip(different, token_parts(tokenizer, different), strict=True))
    for row, (question, context) in enumerate(zip(token_parts(tokenizer, questions), contexts, strict=True)):
        for window in layout(question, parts[context]):
            yield row, parts[context], window


_SPECIAL = Parts(np.zeros(1, np.int32), np.zeros((1, 2), np.int32))


def tokens_of(offsets: np.ndarray, start: int, end: int) -> tuple[int, int] | None:
    """Return the first and the last token that have a character of text[start:end]; None where no token has one.

    Args:
        offsets: int (L, 2), character ranges of the tokens, in order.
        start, end: characters.
    """
    inside = np.flatnonzero((offsets[:, 0] < end) & (offsets[:, 1] > start) & (offsets[:, 0] < offsets[:, 1]))
    return (int(inside[0]), int(inside[-1])) if len(inside) else None


def characters_of(context: str, offsets: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """Return the characters of the tokens first to last, without white space at either end; context[start:end] is it.

    Some tokenizers count the blank before a word to its first token.
    """
    start, end = int(offsets[first, 0]), int(offsets[last, 1])
    part = context[start:end]
    start += len(part) - len(part.lstrip())
    return start, max(start, end - (len(part) - len(part.rstrip())))
