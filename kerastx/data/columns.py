"""Which columns of a labelled file hold the texts and the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerastx.errors import DataError

Column = str | int

TEXT_COLUMNS = ("text", "sentence", "content", "review")
PAIR_COLUMNS = (
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("sentence_a", "sentence_b"),
    ("question", "sentence"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("#1 string", "#2 string"),
    ("text", "pair"),
)
# A text and one that belongs with it, as they are published for training vectors; a third may not belong.
POSITIVE_COLUMNS = (("anchor", "positive"), ("query", "positive"), ("query", "answer"), ("question", "answer"))
NEGATIVE_COLUMN = "negative"
LABEL_COLUMNS = ("label", "labels", "class", "category", "quality", "gold_label", "entailment_judgment")
SCORE_COLUMNS = ("score", "similarity", "relatedness_score")

_SHOWN_CHARACTERS = 40
_NUMBERS = "a number, counted from 0, for all columns of a file without a header"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns somebody asked for; None where one is found by its name.

    Attributes:
        text, pair, label: a name, or a number counted from 0.
        pairs: whether a row has two texts; it has, too, when `pair` is given.
        task: numbers ("regression") are looked for under other names first; "positives" have no label.
        negative: the column of a third text, of "positives" only; found when it is called negative.
    """

    text: Column | None = None
    pair: Column | None = None
    label: Column | None = None
    pairs: bool = False
    task: str = "classification"
    negative: Column | None = None

    def numbers(self) -> list[int] | None:
        """Return the numbers of text, pair (if there is one) and label; None unless all of them are numbers.

        Of "positives" those of text, pair and negative (if it is given).
        """
        paired = [self.pair] if self.pairs or self.pair is not None else []
        last = [self.label] if self.task != "positives" else [] if self.negative is None else [self.negative]
        found = [_as_number(column) for column in (self.text, *paired, *last)]
        numbers = [number for number in found if number is not None]
        return numbers if len(numbers) == len(found) else None

    def find(self, file: Path, header: Sequence[str]) -> list[str]:
        """Return the names in the header of what `numbers` returns; DataError where one is missing."""
        if self.task == "positives":
            return [*self._find_texts(file, header), *self._find_negative(file, header)]
        names = LABEL_COLUMNS + SCORE_COLUMNS if self.task != "regression" else SCORE_COLUMNS + LABEL_COLUMNS
        return [*self._find_texts(file, header), _find(file, header, self.label, names, "label")]

    def _find_negative(self, file: Path, header: Sequence[str]) -> list[str]:
        if self.negative is None and NEGATIVE_COLUMN not in {name.lower() for name in header}:
            return []
        return [_find(file, header, self.negative or NEGATIVE_COLUMN, (), "negative")]

    def _find_texts(self, file: Path, header: Sequence[str]) -> list[str]:
        lowered = {name.lower() for name in header}
        pairs = POSITIVE_COLUMNS + PAIR_COLUMNS if self.task == "positives" else PAIR_COLUMNS
        known = [pair for pair in pairs if lowered.issuperset(pair)]
        if not self.pairs and self.pair is None:
            way_out = f"; with --pair-column {known[0][1]} for a pair of texts" if known else ""
            return [_find(file, header, self.text, TEXT_COLUMNS, "text", way_out)]
        if self.text is None or self.pair is None:
            for first, second in known:
                if _is_name(self.text, first) and _is_name(self.pair, second):
                    return [
                        _find(file, header, self.text or first, (), "text"),
                        _find(file, header, self.pair or second, (), "pair"),
                    ]
            if self.pair is None:
                raise DataError(
                    f"{file}: expected two columns of texts, such as sentence1 and sentence2, got "
                    f"{shown_names(header)}; name them with --text-column and --pair-column ({_NUMBERS})"
                )
        pair = _find(file, header, self.pair, (), "pair")
        rest = [name for name in header if name != pair]
        return [_find(file, rest, self.text, TEXT_COLUMNS, "text"), pair]


def shown(value: str) -> str:
    """Return the value, or its beginning, in quotes and on one line."""
    value = value if len(value) <= _SHOWN_CHARACTERS else value[: _SHOWN_CHARACTERS - 3] + "..."
    return repr(value)


def shown_names(names: Iterable[str]) -> str:
    """Return the first names, in quotes and on one line."""
    every = [shown(name) for name in names]
    return ", ".join(every[:8]) + (", ..." if len(every) > 8 else "") if every else "none"


def _find(
    file: Path,
    header: Sequence[str],
    wanted: Column | None,
    candidates: Sequence[str],
    role: str,
    way_out: str = "",
) -> str:
    """Return the column that was asked for, or the first of the candidates that is there; case does not matter."""
    names = candidates if wanted is None else [str(wanted)]
    for name in names:
        for column in sorted(header, key=lambda column: column != name):
            if column.lower() == name.lower():
                return column
    raise DataError(
        f"{file}: expected a column {' or '.join(names)}, got {shown_names(header)}; name it with --{role}-column "
        f"({_NUMBERS}){way_out}"
    )


def _is_name(wanted: Column | None, name: str) -> bool:
    return wanted is None or str(wanted).lower() == name


def _as_number(column: Column | None) -> int | None:
    return int(column) if column is not None and re.fullmatch(r"[0-9]{1,6}", str(column)) else None
