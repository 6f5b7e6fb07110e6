"""What stands in labelled rows: labels, lengths, repeats, and what train and dev share."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.data.columns import Column
from kerastx.data.labelled import sorted_labels
from kerastx.data.lengths import Lengths
from kerastx.data.readers import LabelledRow, read_rows
from kerastx.data.similar_texts import near_matches
from kerastx.text.tokenizer import Tokenizer

NUM_EXAMPLES = 3
NUM_SPECIAL = 2  # [CLS] text [SEP]; and another [SEP] after a second text
_SHOWN_CHARACTERS = 60
_BATCH_ROWS = 4096


@dataclass(frozen=True)
class Example:
    """A row, and the row it was found to be like.

    Attributes:
        place: file:line.
        like: file:line of the other row; empty where there is none.
        text: the beginning of the row's text.
        labels: of the row and of the other one.
    """

    place: str
    like: str = ""
    text: str = ""
    labels: tuple[str, ...] = ()


@dataclass
class Finding:
    """How many rows have some property, with the first of them."""

    rows: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(self, example: Example) -> None:
        self.rows += 1
        if len(self.examples) < NUM_EXAMPLES:
            self.examples.append(example)

    def to_dict(self) -> dict[str, Any]:
        examples = [{name: value for name, value in vars(example).items() if value} for example in self.examples]
        return {"rows": self.rows, "examples": examples}


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one file.

    Attributes:
        path: the file.
        rows: number of rows.
        labels: label -> number of rows, the most frequent first; empty for numbers.
        characters, words: lengths of the texts; words are what white space separates.
        tokens: with [CLS] and [SEP], before any cut; None without a tokenizer.
        num_unknown_tokens: how many of them are [UNK].
        num_special: how many [CLS] and [SEP] a row has.
        no_text, no_label: rows that lack one.
        duplicates: rows whose text an earlier row has; case and white space do not count.
        near_duplicates: rows whose text is 80 % like an earlier one.
        conflicts: duplicates whose label is another than the first row's.
    """

    path: Path
    rows: int
    labels: dict[str, int]
    characters: Lengths
    words: Lengths
    tokens: Lengths | None
    num_unknown_tokens: int
    num_special: int
    no_text: Finding
    no_label: Finding
    duplicates: Finding
    near_duplicates: Finding
    conflicts: Finding

    @property
    def unknown_share(self) -> float:
        """Of the tokens of the texts, the share that is [UNK]."""
        if self.tokens is None:
            return 0.0
        return self.num_unknown_tokens / max(1, self.tokens.sum - self.num_special * self.rows)

    def to_dict(self, max_length: int) -> dict[str, Any]:
        counted: dict[str, Any] = {}
        if self.tokens is not None:
            counted = {
                "tokens": self.tokens.to_dict(),
                "truncated": {"rows": self.tokens.num_above(max_length), "share": self.tokens.share_above(max_length)},
                "unknown_share": self.unknown_share,
            }
        findings = ("no_text", "no_label", "duplicates", "near_duplicates", "conflicts")
        return {
            "file": str(self.path),
            "rows": self.rows,
            "labels": self.labels,
            "characters": self.characters.to_dict(),
            "words": self.words.to_dict(),
            **counted,
            **{name: getattr(self, name).to_dict() for name in findings},
        }


@dataclass(frozen=True, eq=False)
class LabelledReport:
    """Train rows, and dev rows where they are given.

    Attributes:
        train, dev: each file by itself.
        max_length: tokens that training keeps of a text.
        overlap: dev rows whose text stands in train too; case and white space do not count.
        near_overlap: dev rows whose text is 80 % like one of train, without those of `overlap`.
        unseen_labels: label -> dev rows, of labels that train does not have.
    """

    train: Part
    dev: Part | None
    max_length: int
    overlap: Finding
    near_overlap: Finding
    unseen_labels: dict[str, int]

    @property
    def label_names(self) -> list[str]:
        """All labels, the most frequent of train first."""
        return list(dict.fromkeys([*self.train.labels, *(self.dev.labels if self.dev else ())]))

    def to_dict(self) -> dict[str, Any]:
        result: dict[str, Any] = {"max_length": self.max_length, "train": self.train.to_dict(self.max_length)}
        if self.dev is not None:
            result["dev"] = self.dev.to_dict(self.max_length)
            result["overlap"] = self.overlap.to_dict()
            result["near_overlap"] = self.near_overlap.to_dict()
            result["unseen_labels"] = self.unseen_labels
        return result


class _Texts:
    """The different texts of a file, in normal form, each with its first row."""

    def __init__(self, path: Path, rows: Sequence[LabelledRow]):
        self.path = path
        self.rows = rows
        self.forms = [normal_form(whole_text(row)) for row in rows]
        self.first: dict[str, int] = {}
        for number, form in enumerate(self.forms):
            if form:
                self.first.setdefault(form, number)

    def place(self, number: int) -> str:
        return f"{self.path}:{self.rows[number].line}"

    def example(self, number: int, other: tuple[_Texts, int] | None = None) -> Example:
        row = self.rows[number]
        if other is None:
            return Example(self.place(number), text=shown(whole_text(row)))
        texts, index = other
        labels = (row.label, texts.rows[index].label)
        return Example(self.place(number), texts.place(index), shown(whole_text(row)), labels)


def whole_text(row: LabelledRow) -> str:
    """Return the text of a row; both of a pair."""
    return row.text if row.pair is None else f"{row.text} {row.pair}".strip()


def normal_form(text: str) -> str:
    """Return the text without differences of case and white space."""
    return " ".join(text.casefold().split())


def shown(text: str) -> str:
    """Return the beginning of a text or label on one line, without control characters."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 3] + "..."


def report_labelled(
    train: str | os.PathLike[str],
    dev: str | os.PathLike[str] | None = None,
    *,
    tokenizer: Tokenizer | None = None,
    max_length: int = 128,
    text_column: Column | None = None,
    pair_column: Column | None = None,
    label_column: Column | None = None,
    pairs: bool = False,
    task: str = "classification",
) -> LabelledReport:
    """Read labelled files and report on them.

    Args:
        train: TSV, CSV or JSONL, as `read_labelled` reads it; rows may lack a text or a label. Of a pair both texts
            count, as one.
        dev: the same; its rows are also looked for in train.
        tokenizer: counts the tokens; without one there are only words and characters.
        max_length: tokens that training keeps of a text.
        text_column, pair_column, label_column, pairs, task: see `read_labelled`.
    """
    columns: dict[str, Any] = {"text_column": text_column, "pair_column": pair_column, "label_column": label_column}
    columns |= {"pairs": pairs, "task": task}
    train_texts = _Texts(Path(train), read_rows(train, **columns))
    train_part = _part(train_texts, tokenizer, task)
    if dev is None:
        return LabelledReport(train_part, None, max_length, Finding(), Finding(), {})
    dev_texts = _Texts(Path(dev), read_rows(dev, **columns))
    dev_part = _part(dev_texts, tokenizer, task)
    overlap, near_overlap = _overlap(train_texts, dev_texts)
    unseen = {label: count for label, count in dev_part.labels.items() if label not in train_part.labels}
    return LabelledReport(train_part, dev_part, max_length, overlap, near_overlap, unseen)


def _part(texts: _Texts, tokenizer: Tokenizer | None, task: str) -> Part:
    duplicates, conflicts, no_text, no_label = (Finding() for _ in range(4))
    for number, (row, form) in enumerate(zip(texts.rows, texts.forms, strict=True)):
        if not row.label and task != "multi_label":
            no_label.add(texts.example(number))
        if not row.text or row.pair == "":
            no_text.add(texts.example(number))
        if not form:
            continue
        first = texts.first[form]
        if first != number:
            duplicates.add(texts.example(number, (texts, first)))
            if texts.rows[first].label != row.label:
                conflicts.add(texts.example(number, (texts, first)))
    near = Finding()
    firsts = list(texts.first.values())
    for found, like in near_matches(list(texts.first)).items():
        near.add(texts.example(firsts[found], (texts, firsts[like])))
    strings = [whole_text(row) for row in texts.rows]
    special = NUM_SPECIAL + (texts.rows[0].pair is not None)
    tokens, num_unknown = (None, 0) if tokenizer is None else _token_lengths(strings, tokenizer, special)
    return Part(
        path=texts.path,
        rows=len(texts.rows),
        labels=_label_counts(_labels(texts.rows, task)),
        characters=Lengths.of([np.array([len(text) for text in strings])]),
        words=Lengths.of([np.array([len(text.split()) for text in strings])]),
        tokens=tokens,
        num_unknown_tokens=num_unknown,
        num_special=special,
        no_text=no_text,
        no_label=no_label,
        duplicates=duplicates,
        near_duplicates=near,
        conflicts=conflicts,
    )


def _labels(rows: Sequence[LabelledRow], task: str) -> Iterator[str]:
    """Yield the labels of all rows; a number is none."""
    for row in rows if task != "regression" else ():
        yield from row.names if task == "multi_label" else filter(None, [row.label])


def _label_counts(labels: Iterable[str]) -> dict[str, int]:
    counts = Counter(labels)
    return dict(sorted(((name, counts[name]) for name in sorted_labels(counts)), key=lambda item: -item[1]))


def _token_lengths(texts: Sequence[str], tokenizer: Tokenizer, special: int) -> tuple[Lengths, int]:
    blocks, num_unknown = [], 0
    for start in range(0, len(texts), _BATCH_ROWS):
        ids = tokenizer.encode_ids(texts[start : start + _BATCH_ROWS])
        blocks.append(np.array([len(one) + special for one in ids]))
        num_unknown += int((np.concatenate(ids) == tokenizer.unknown_id).sum())
    return Lengths.of(blocks), num_unknown


def _overlap(train: _Texts, dev: _Texts) -> tuple[Finding, Finding]:
    exact, near = Finding(), Finding()
    new = [form for form in dev.first if form not in train.first]
    alike = {new[found]: like for found, like in near_matches(new, list(train.first)).items()}
    firsts = list(train.first.values())
    for number, form in enumerate(dev.forms):
        if form in train.first:
            exact.add(dev.example(number, (train, train.first[form])))
        elif form in alike:
            near.add(dev.example(number, (train, firsts[alike[form]])))
    return exact, near
