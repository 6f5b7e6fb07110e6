"""Labelled texts in memory: rows of texts and what is to be answered to each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

TASKS = ("classification", "multi_label", "regression", "positives")
LARGEST = float(np.finfo(np.float32).max)
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Texts, or pairs of texts, with what is to be answered to each.

    Attributes:
        texts: the texts, in the order of the file.
        labels: what is right for each: the name of its label, its names joined by "|", or its number.
        label_names: all labels; their order gives the class numbers. Empty for numbers.
        targets: int32, (N,), the index of each label in `label_names`; where any number of labels is right
            ("multi_label") float32, (N, C), 1 for those that are; for numbers ("regression") float32, (N, 1). For texts
            that belong together ("positives") int32, (N,), the same number for rows that are tied together by texts
            they share: (a, b), (c, b) and (c, d).
        pairs: the second text of each; None for single texts.
        task: "classification", "multi_label", "regression" or "positives".
        negatives: of "positives" a third text of each, which does not belong to the first; None where there is none.
    """

    texts: list[str]
    labels: list[str]
    label_names: tuple[str, ...]
    targets: np.ndarray
    pairs: list[str] | None = None
    task: str = "classification"
    negatives: list[str] | None = None

    def __post_init__(self) -> None:
        counts = [len(self.texts), len(self.labels), len(self.targets)]
        counts += [len(texts) for texts in (self.pairs, self.negatives) if texts is not None]
        if len(set(counts)) > 1:
            raise ValueError(
                f"texts, labels, targets, pairs and negatives must be as many, got {', '.join(map(str, counts))}."
            )

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        labels: Sequence[str],
        label_names: Iterable[str] | None = None,
        *,
        pairs: Sequence[str] | None = None,
    ) -> LabelledData:
        """Number the labels: in the order of `label_names`, else sorted, by value if all are whole numbers."""
        names = sorted_labels(labels) if label_names is None else tuple(label_names)
        numbers = _numbered(names, labels)
        targets = np.array([numbers[label] for label in labels], np.int32)
        return cls(list(texts), list(labels), names, targets, _listed(pairs))

    @classmethod
    def of_sets(
        cls,
        texts: Sequence[str],
        sets: Sequence[Iterable[str]],
        label_names: Iterable[str] | None = None,
        *,
        pairs: Sequence[str] | None = None,
    ) -> LabelledData:
        """Return rows of which each has any number of labels; for `label_names` see `of`."""
        rows = [set(labels) for labels in sets]
        used = set().union(*rows)
        names = sorted_labels(used) if label_names is None else tuple(label_names)
        numbers = _numbered(names, used)
        targets = np.zeros((len(rows), len(names)), np.float32)
        for target, row in zip(targets, rows, strict=True):
            target[[numbers[label] for label in row]] = 1.0
        labels = ["|".join(name for name in names if name in row) for row in rows]
        return cls(list(texts), labels, names, targets, _listed(pairs), "multi_label")

    @classmethod
    def of_numbers(
        cls, texts: Sequence[str], values: Sequence[float], *, pairs: Sequence[str] | None = None
    ) -> LabelledData:
        """Return rows that have a finite number each."""
        wrong = [value for value in values if not abs(value) <= LARGEST]
        if wrong:
            raise ValueError(f"values must be finite and fit into float32, got {wrong[0]}.")
        labels = [str(float(value)) for value in values]
        targets = np.array(values, np.float32).reshape(-1, 1)
        return cls(list(texts), labels, (), targets, _listed(pairs), "regression")

    @classmethod
    def of_positives(
        cls, texts: Sequence[str], pairs: Sequence[str], *, negatives: Sequence[str] | None = None
    ) -> LabelledData:
        """Return rows of two texts that belong together, and perhaps a third that does not."""
        targets = np.array(_groups(texts, pairs), np.int32)
        return cls(list(texts), [""] * len(targets), (), targets, list(pairs), "positives", _listed(negatives))

    def followed_by(self, other: LabelledData) -> LabelledData:
        """Return these rows and behind them those of `other`, single texts of the same labels."""
        if self.task != "classification" or self.label_names != other.label_names or self.pairs or other.pairs:
            raise ValueError("only single texts with the same labels can follow each other.")
        return LabelledData(
            [*self.texts, *other.texts],
            [*self.labels, *other.labels],
            self.label_names,
            np.concatenate([self.targets, other.targets]),
        )

    def subset(self, rows: Iterable[int] | np.ndarray) -> LabelledData:
        """Return the rows with these numbers, in this order; all labels keep their place."""
        chosen = [int(row) for row in rows]
        return LabelledData(
            [self.texts[row] for row in chosen],
            [self.labels[row] for row in chosen],
            self.label_names,
            self.targets[chosen],
            None if self.pairs is None else [self.pairs[row] for row in chosen],
            self.task,
            None if self.negatives is None else [self.negatives[row] for row in chosen],
        )


def _groups(texts: Sequence[str], pairs: Sequence[str]) -> list[int]:
    """Return a number for each row, the same for rows that are tied together by texts they share."""
    leaders: dict[str, str] = {}

    def leader(text: str) -> str:
        while (above := leaders.setdefault(text, text)) != text:
            leaders[text] = leaders[above]
            text = above
        return text

    for text, pair in zip(texts, pairs, strict=True):
        leaders[leader(pair)] = leader(text)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(map(leader, texts)))}
    return [numbers[leader(text)] for text in texts]


def sorted_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the different labels in order: by value if all are whole numbers, else by name."""
    different = set(labels)
    if all(_INTEGER.fullmatch(label) for label in different):
        return tuple(sorted(different, key=lambda label: (int(label), label)))
    return tuple(sorted(different))


def _numbered(names: tuple[str, ...], labels: Iterable[str]) -> dict[str, int]:
    numbers = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(labels) - set(numbers))
    if unknown:
        raise ValueError(f"labels must be among {', '.join(names)}, got {', '.join(unknown)}.")
    return numbers


def _listed(pairs: Sequence[str] | None) -> list[str] | None:
    return None if pairs is None else list(pairs)
