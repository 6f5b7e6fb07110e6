"""Files of tagged words, as CoNLL and others publish them -> sentences with entities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kerastx.data.columns import shown
from kerastx.data.tables import read_text_file
from kerastx.errors import DataError
from kerastx.text.tags import OUTSIDE, bio_tags, entities

_DOCUMENT = "-DOCSTART-"
# Other white space, such as the blank in 10\u00a0000, is part of a word.
_BLANKS = " \t\r"
_BLANK = re.compile(r"[ \t]+")
_TAG = re.compile(r"([BIMESLU])-(.+)")
_BEGINS, _ENDS = "BSU", "ESLU"
_IDEOGRAPH = re.compile("[\u3400-\u9fff\U00020000-\U0002ceaf]")


class TaggedSentence(NamedTuple):
    """Words and their tags in the BIO scheme, and the line of the file where they begin."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    line: int

    @property
    def text(self) -> str:
        """The words as a text that a model is asked; see `joined`."""
        return joined(self.words)[0]

    @property
    def entities(self) -> list[tuple[int, int, str]]:
        """Start and end in the characters of `text`, and type, of each entity."""
        spans = joined(self.words)[1]
        return [(spans[first][0], spans[last - 1][1], label) for first, last, label in entities(self.tags)]


@dataclass(frozen=True, eq=False)
class TaggedData:
    """Sentences with entities.

    Attributes:
        sentences: in the order of the file.
        labels: the types of entities, sorted.
    """

    sentences: list[TaggedSentence]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def tags(self) -> tuple[str, ...]:
        return bio_tags(self.labels)

    def subset(self, rows: Iterable[int]) -> TaggedData:
        """Return the sentences with these numbers, in this order; all labels keep their place."""
        return TaggedData([self.sentences[int(row)] for row in rows], self.labels)


def read_tagged(path: str | Path, *, labels: Sequence[str] | None = None) -> TaggedData:
    """Read a file of words and tags.

    A line has a word, perhaps further columns, and its tag, with blanks or a tab between them, and an empty line ends
    a sentence, as in CoNLL-2003; or a line is a whole sentence: words with blanks, a tab, as many tags with blanks.
    Tags are of IOB1, IOB2 (BIO), BMES or BIOES (BILOU); they come as IOB2.

    Args:
        path: UTF-8.
        labels: the types that may occur; otherwise those that do, sorted.

    Raises:
        DataError: the file is missing, empty or not UTF-8, or a line is wrong: the first is shown, all are counted.
    """
    file = Path(path)
    sentences: list[TaggedSentence] = []
    problems: list[str] = []
    for sentence, problem in _sentences(read_text_file(file), labels):
        if problem:
            problems.append(f"{file}:{problem}")
        else:
            sentences.append(sentence)
    if problems:
        more = len(problems) - 1
        raise DataError(problems[0] + (f"; and {more:,} more wrong sentence{'s' * (more > 1)}" if more else ""))
    if not sentences:
        raise DataError(f"{file}: the file holds no sentences")
    found = {tag[2:] for sentence in sentences for tag in sentence.tags if tag != OUTSIDE}
    return TaggedData(sentences, tuple(sorted(found)) if labels is None else tuple(labels))


def with_entities(path: str | Path, data: TaggedData) -> TaggedData:
    """Return the data; DataError where it has no entity to learn from or to be found."""
    if all(tag == OUTSIDE for sentence in data.sentences for tag in sentence.tags):
        raise DataError(f"{path}: expected some entity, got only the tag O")
    return data


def _sentences(content: str, allowed: Sequence[str] | None) -> Iterator[tuple[TaggedSentence, str]]:
    """Yield sentences, or an empty one and what is wrong: "LINE: expected ..., got ..."."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*content.split("\n"), ""], 1):
        line = line.strip(_BLANKS)
        if line and not line.startswith(_DOCUMENT):
            block.append((number, line))
        elif block:
            yield from _parsed(block, allowed)
            block = []


def _parsed(block: list[tuple[int, str]], allowed: Sequence[str] | None) -> Iterator[tuple[TaggedSentence, str]]:
    if any(_is_whole_sentence(line) for _, line in block):
        yield from (_one_line(number, line, allowed) for number, line in block)
        return
    rows: list[tuple[int, str, str]] = []
    for number, line in block:
        fields = line.split("\t") if "\t" in line else _BLANK.split(line)
        if len(fields) < 2 or not fields[0].strip(_BLANKS) or not fields[-1].strip(_BLANKS):
            yield TaggedSentence((), (), number), f"{number}: expected a word and its tag, got {shown(line)}"
            return
        rows.append((number, fields[0].strip(_BLANKS), fields[-1].strip(_BLANKS)))
    if len(rows) > 1 and [word for _, word, _ in rows] == [str(count) for count in range(1, len(rows) + 1)]:
        line = block[0][1]
        yield (
            TaggedSentence((), (), rows[0][0]),
            f"{rows[0][0]}: expected a word, got a column of counts in {shown(line)}",
        )
        return
    yield _checked(rows, allowed)


def _one_line(number: int, line: str, allowed: Sequence[str] | None) -> tuple[TaggedSentence, str]:
    parts = [_BLANK.split(part.strip(_BLANKS)) for part in line.split("\t")]
    if len(parts) != 2 or len(parts[0]) != len(parts[1]):
        counts = " and ".join(str(len(part)) for part in parts)
        return TaggedSentence((), (), number), f"{number}: expected as many tags as words around one tab, got {counts}"
    return _checked([(number, word, tag) for word, tag in zip(*parts, strict=True)], allowed)


def _is_whole_sentence(line: str) -> bool:
    parts = line.split("\t")
    if len(parts) != 2:
        return False
    words, tags = (_BLANK.split(part.strip(_BLANKS)) for part in parts)
    return len(words) == len(tags) > 1 and all(tag == OUTSIDE or _TAG.fullmatch(tag) for tag in tags)


def _checked(rows: list[tuple[int, str, str]], allowed: Sequence[str] | None) -> tuple[TaggedSentence, str]:
    """Return the sentence with its tags in IOB2."""
    empty = TaggedSentence((), (), rows[0][0])
    tags: list[str] = []
    open_label = ""  # of an entity that the next word may go on with
    is_strict = any(tag[0] in "MESLU" and _TAG.fullmatch(tag) for _, _, tag in rows)
    for offset, (number, word, tag) in enumerate(rows, 1):
        if "\0" in word:
            return empty, f"{number}: expected text, got a NUL character (word {offset})"
        if tag == OUTSIDE:
            tags.append(OUTSIDE)
            open_label = ""
            continue
        match = _TAG.fullmatch(tag)
        if match is None:
            return empty, f"{number}: expected a tag such as O, B-PER or I-PER, got {shown(tag)}"
        position, label = match.groups()
        if allowed is not None and label not in allowed:
            known = ", ".join(sorted(allowed))
            return empty, f"{number}: expected one of the labels {known}, got {shown(label)} (word {offset})"
        goes_on = position not in _BEGINS and open_label == label
        if is_strict and position not in _BEGINS and not goes_on:
            return empty, f"{number}: expected {position}-{label} behind a tag that it goes on with, got {shown(tag)}"
        tags.append(f"{'I' if goes_on else 'B'}-{label}")
        open_label = "" if position in _ENDS else label
    return TaggedSentence(tuple(word for _, word, _ in rows), tuple(tags), rows[0][0]), ""


def joined(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return the text of a sentence and the character range of each word: with blanks, or ideographs without."""
    without_blanks = all(len(word) == 1 for word in words) and any(map(_IDEOGRAPH.search, words))
    separator = "" if without_blanks else " "
    spans, place = [], 0
    for word in words:
        spans.append((place, place + len(word)))
        place += len(word) + len(separator)
    return separator.join(words), spans
