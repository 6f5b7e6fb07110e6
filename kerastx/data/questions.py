"""Questions about contexts, as SQuAD and CMRC 2018 publish them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kerastx.data.columns import shown
from kerastx.data.located_json import Lines, LocatedObject, read_located
from kerastx.errors import DataError

NOT_LOCATED = -1
_IDEOGRAPH = re.compile("[\u3400-\u9fff\U00020000-\U0002ceaf]")
_WAY_OUT = "correct it or take the question out"


class GivenAnswer(NamedTuple):
    """A right answer: its text, and where it begins in the context; -1 where the file says that it is not there."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Question(NamedTuple):
    """A question about a context; without answers where the context holds none."""

    id: str
    text: str
    context: str
    answers: tuple[GivenAnswer, ...]
    line: int

    @property
    def located(self) -> GivenAnswer | None:
        """The first answer that is part of the context, which is what a model learns."""
        return next((answer for answer in self.answers if answer.start >= 0), None)


@dataclass(frozen=True, eq=False)
class QuestionData:
    """Questions, in the order of the file.

    Attributes:
        questions: they.
        moved: answers that were found elsewhere in their context than the file says.
        empty: questions without a word.
    """

    questions: list[Question]
    moved: int = 0
    empty: int = 0

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def has_unanswerable(self) -> bool:
        return any(not question.answers for question in self.questions)

    @property
    def is_chinese(self) -> bool:
        """Whether at least a third of what the questions are written with are ideographs."""
        letters = "".join("".join(question.text.split()) for question in self.questions)
        return 3 * len(_IDEOGRAPH.findall(letters)) >= max(1, len(letters))

    def subset(self, rows: Iterable[int]) -> QuestionData:
        """Return the questions with these numbers, in this order."""
        return QuestionData([self.questions[int(row)] for row in rows])

    def trainable(self) -> QuestionData:
        """Return the questions that a model can learn from: an answer stands in the context, or there is none."""
        return QuestionData([question for question in self.questions if question.located or not question.answers])

    def warnings(self) -> list[str]:
        """Return what a person should know of the file, in plain words."""
        found = []
        if self.moved:
            found.append(f"{self.moved:,} answers do not stand where answer_start says: the nearest place is taken")
        if self.empty:
            found.append(f"{self.empty:,} questions are empty")
        if count := len(self) - len(self.trainable()):
            found.append(f"{count:,} questions have answers that the context does not hold: they can be scored only")
        return found


def read_questions(path: str | Path) -> QuestionData:
    """Read a JSON file of SQuAD v1.1, SQuAD v2 or CMRC 2018, in its own layout or in that of SQuAD.

    SQuAD: {"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text", "answer_start"}],
    "is_impossible"}]}]}]} (Rajpurkar et al., 2016 and 2018). CMRC 2018: [{"context_text", "qas": [{"query_id",
    "query_text", "answers": [text]}]}] (Cui et al., 2019), whose answers are looked for in the context.

    An answer that stands elsewhere than its answer_start says is taken where it is nearest, and counted. An
    answer_start of -1 says that the context does not hold it, as in CMRC 2018.

    Args:
        path: UTF-8.

    Raises:
        DataError: the file is missing, empty, not UTF-8 or not JSON, or an entry is wrong: the first is shown, all are
            counted.
    """
    file = Path(path)
    content, lines = read_located(file)
    reader = _Reader(lines)
    questions = [] if (problem := _not_a_list(content)) else list(reader.questions(_articles(content)))
    if problem:
        raise DataError(f"{file}:1: {problem}")
    if reader.problems:
        line, text = reader.problems[0]
        more = len(reader.problems) - 1
        rest = f"; and {more:,} more wrong {'entries' if more > 1 else 'entry'}" if more else ""
        raise DataError(f"{file}:{line}: {text}{rest}")
    if not questions:
        raise DataError(f"{file}: the file holds no questions")
    empty = sum(not question.text.strip() for question in questions)
    return QuestionData(questions, reader.moved, empty)


def _not_a_list(content: Any) -> str:
    if isinstance(_articles(content), list):
        return ""
    keys = ", ".join(list(content)[:5]) if isinstance(content, dict) else type(content).__name__
    return f'expected {{"data": [...]}} as SQuAD has it, or a list as CMRC 2018 has it, got {keys or "nothing"}'


def _articles(content: Any) -> Any:
    return content.get("data") if isinstance(content, dict) else content


class _EntryError(Exception):
    """What is wrong with an entry, "expected ..., got ...", and the object to blame."""

    def __init__(self, blamed: Any, text: str):
        super().__init__(text)
        self.blamed = blamed


class _Reader:
    """Walks through the entries and gathers what is wrong."""

    def __init__(self, lines: Lines):
        self.lines = lines
        self.problems: list[tuple[int, str]] = []
        self.moved = 0
        self._seen: dict[str, int] = {}
        self._last = 0  # offset of the last object that knew its place

    def questions(self, articles: list[Any]) -> Iterator[Question]:
        for article in articles:
            yield from self._guarded(article, self._of_article)

    def _guarded(self, entry: Any, read: Any, *more: Any) -> list[Question]:
        self._last = getattr(entry, "offset", self._last)
        try:
            return read(entry, *more)
        except _EntryError as error:
            self.problems.append((self.lines.line(getattr(error.blamed, "offset", self._last)), str(error)))
            return []

    def _of_article(self, article: Any) -> list[Question]:
        if isinstance(article, dict) and "paragraphs" not in article and "qas" in article:
            return self._of_paragraph(article)  # CMRC 2018 has no articles
        paragraphs = _field(article, "paragraphs", list)
        return [question for entry in paragraphs for question in self._guarded(entry, self._of_paragraph)]

    def _of_paragraph(self, paragraph: Any) -> list[Question]:
        context = _field(paragraph, _either(paragraph, "context", "context_text"), str)
        if not context.strip():
            raise _EntryError(paragraph, "expected a context, got an empty one; take it and its questions out")
        _refuse_nul(paragraph, "context", context)
        entries = _field(paragraph, "qas", list)
        return [question for entry in entries for question in self._guarded(entry, self._of_question, context)]

    def _of_question(self, entry: Any, context: str) -> list[Question]:
        identity = _identity(entry)
        text = _field(entry, _either(entry, "question", "query_text"), str)
        _refuse_nul(entry, "question", text)
        given = _field(entry, "answers", list)
        is_impossible = entry.get("is_impossible", False)
        if not isinstance(is_impossible, bool):
            raise _EntryError(entry, f'expected true or false as "is_impossible", got {shown(str(is_impossible))}')
        if is_impossible and given:
            raise _EntryError(entry, f'expected no answers beside "is_impossible": true, got {len(given)}; {_WAY_OUT}')
        if not given and not is_impossible:
            raise _EntryError(entry, f'expected an answer, or "is_impossible": true, got no answers; {_WAY_OUT}')
        line = self.lines.line(entry.offset)
        if identity in self._seen:
            first = self._seen[identity]
            raise _EntryError(
                entry, f"expected every id once, got {shown(identity)} again, first at line {first}; {_WAY_OUT}"
            )
        self._seen[identity] = line
        answers = tuple(self._answer(entry, one, context) for one in given)
        return [Question(identity, text, context, answers, line)]

    def _answer(self, entry: LocatedObject, given: Any, context: str) -> GivenAnswer:
        if isinstance(given, str):
            given = LocatedObject(text=given, answer_start=context.find(given))
            given.offset = entry.offset
        text, start = _field(given, "text", str, entry), _field(given, "answer_start", int, entry)
        if not text.strip():
            raise _EntryError(entry, f"expected the text of an answer, got an empty one; {_WAY_OUT}")
        if start == NOT_LOCATED or (start >= 0 and context.startswith(text, start)):
            return GivenAnswer(text, start)
        if start < 0:
            raise _EntryError(
                entry, f'expected a place in the context as "answer_start", or -1, got {start}; {_WAY_OUT}'
            )
        nearest = _nearest(context, text, start)
        if nearest is None:
            raise _EntryError(
                entry, f"expected an answer that is part of the context, got {shown(text)} at {start}; {_WAY_OUT}"
            )
        self.moved += 1
        return GivenAnswer(text, nearest)


def _nearest(context: str, text: str, start: int) -> int | None:
    before = context.rfind(text, 0, min(start, len(context)) + len(text))
    after = context.find(text, min(start, len(context)))
    places = [place for place in (before, after) if place >= 0]
    return min(places, key=lambda place: abs(place - start), default=None)


def _either(entry: Any, name: str, other: str) -> str:
    return other if isinstance(entry, dict) and name not in entry and other in entry else name


def _field(entry: Any, name: str, kind: type, blamed: Any = None) -> Any:
    """Return a value of an object, of this kind."""
    blamed = entry if blamed is None else blamed
    words = {str: "a string", list: "a list", int: "a whole number"}[kind]
    if not isinstance(entry, dict):
        raise _EntryError(blamed, f'expected an object with "{name}", got {shown(str(entry))}')
    if name not in entry:
        keys = ", ".join(list(entry)[:6]) or "nothing"
        raise _EntryError(blamed, f'expected {words} as "{name}", got an object with {keys[:100]}')
    value = entry[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _EntryError(blamed, f'expected {words} as "{name}", got {shown(str(value))}')
    return value


def _identity(entry: Any) -> str:
    """Return the id of a question; some files number them."""
    name = _either(entry, "id", "query_id")
    value = entry.get(name) if isinstance(entry, dict) else None
    return str(value) if type(value) is int else _field(entry, name, str)


def _refuse_nul(entry: Any, name: str, text: str) -> None:
    if "\0" in text:
        raise _EntryError(entry, f"expected text as {name}, got a NUL character at {text.index(chr(0))}; take it out")
