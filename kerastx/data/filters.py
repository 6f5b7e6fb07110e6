"""Which documents of a corpus stay: by length, by language, and without copies."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.data import parts
from kerastx.data.near_duplicates import COMPARED_WORDS, SIMILARITY, are_copies, find_near_duplicates, word_hashes
from kerastx.data.parts import TokenBlocks, read_part
from kerastx.data.store import Batch

REASONS = ("too_short", "too_long", "other_language", "exact_copy", "near_copy")  # in this order they are looked for
_KEPT = len(REASONS)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a document must be like to stay.

    Attributes:
        min_tokens: shorter ones go.
        max_tokens: longer ones go.
        languages: ISO 639 codes; documents in another language go.
        deduplicate: copies and near-copies of an earlier document that stays go.
    """

    min_tokens: int | None = None
    max_tokens: int | None = None
    languages: tuple[str, ...] = ()
    deduplicate: bool = False

    def __post_init__(self) -> None:
        low = 1 if self.min_tokens is None else self.min_tokens
        if low < 1:
            raise ValueError(f"min_tokens must be at least 1, got {self.min_tokens}.")
        if self.max_tokens is not None and self.max_tokens < low:
            raise ValueError(f"max_tokens must be at least min_tokens ({low}), got {self.max_tokens}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the filters that are on, for the manifest."""
        wanted: dict[str, Any] = {"min_tokens": self.min_tokens, "max_tokens": self.max_tokens}
        wanted["languages"] = list(self.languages) or None
        wanted["near_copy_similarity"] = SIMILARITY if self.deduplicate else None
        return {name: value for name, value in wanted.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Selection:
    """Which documents stay.

    Attributes:
        kept: bool, (documents of the part,), for each part; None where all stay.
        removed: how many documents and tokens do not, by reason.
    """

    kept: list[np.ndarray] | None
    removed: dict[str, dict[str, int]]

    @property
    def num_kept(self) -> int:
        return sum(int(kept.sum()) for kept in self.kept or ())


def select(paths: Sequence[Path], filters: Filters, starts_word: np.ndarray) -> Selection:
    """Decide about all documents; that takes some 80 bytes for each, and 256 more where copies are looked for.

    Args:
        paths: the parts.
        filters: what to decide by.
        starts_word: bool, (V,); see `Tokenizer.word_start`.
    """
    if not filters.to_dict():
        return Selection(None, {})
    tables = [_table(path) for path in paths]
    table = np.concatenate(tables) if tables else np.zeros(0, parts.DOCUMENT_DTYPE)
    reason = np.full(len(table), _KEPT, np.uint8)

    def remove(wrong: np.ndarray, name: str) -> None:
        reason[wrong & (reason == _KEPT)] = REASONS.index(name)

    if filters.min_tokens is not None:
        remove(table["num_tokens"] < filters.min_tokens, "too_short")
    if filters.max_tokens is not None:
        remove(table["num_tokens"] > filters.max_tokens, "too_long")
    remove(~table["in_language"], "other_language")
    if filters.deduplicate:
        left = np.flatnonzero(reason == _KEPT)
        _, first = np.unique(table["digest"][left], return_index=True)
        copies = np.ones(len(left), bool)
        copies[first] = False
        reason[left[copies]] = REASONS.index("exact_copy")
        left = np.flatnonzero((reason == _KEPT) & table["has_signature"])
        words = _Words(paths, tables, starts_word)
        copies = find_near_duplicates(
            _signatures(paths, tables, reason == _KEPT, len(left)),
            lambda one, other: are_copies(words.of(int(left[one])), words.of(int(left[other]))),
        )
        reason[left[copies]] = REASONS.index("near_copy")
    removed = {}
    for number, name in enumerate(REASONS):
        if (chosen := reason == number).any():
            removed[name] = {"documents": int(chosen.sum()), "tokens": int(table["num_tokens"][chosen].sum())}
    ends = np.cumsum([len(part) for part in tables])[:-1]
    return Selection(np.split(reason == _KEPT, ends) if tables else [], removed)


def selected_batches(paths: Sequence[Path], selection: Selection) -> Iterator[Batch]:
    """Yield the sentences of the documents that stay."""
    for number, path in enumerate(paths):
        table = _table(path)
        stays = np.ones(len(table), bool) if selection.kept is None else selection.kept[number]
        sentence_stays = np.repeat(stays, table["num_sentences"])
        starts_document = np.zeros(len(sentence_stays), bool)
        starts_document[np.cumsum(table["num_sentences"]) - table["num_sentences"]] = True
        done = 0
        token_ids = np.zeros(0, parts.TOKEN_DTYPE)
        for kind, values in read_part(path, parts.TOKENS, parts.LENGTHS):
            if kind == parts.TOKENS:
                token_ids = values
                continue
            chosen = sentence_stays[done : done + len(values)]
            starts = starts_document[done : done + len(values)]
            done += len(values)
            if chosen.all():
                yield Batch(token_ids, values, starts)
            elif chosen.any():
                yield Batch(token_ids[np.repeat(chosen, values)], values[chosen], starts[chosen])


def _table(path: Path) -> np.ndarray:
    blocks = [values for _, values in read_part(path, parts.DOCUMENTS)]
    return np.concatenate([np.zeros(0, parts.DOCUMENT_DTYPE), *blocks])


def _signatures(paths: Sequence[Path], tables: Sequence[np.ndarray], left: np.ndarray, count: int) -> np.ndarray:
    """Return the signatures of the documents that are left and have one, uint16, (count, SIGNATURE_SIZE)."""
    result = np.empty((count, parts.SIGNATURE_SIZE), np.uint16)
    filled = before = 0
    for path, table in zip(paths, tables, strict=True):
        wanted = left[before : before + len(table)][table["has_signature"]]
        before += len(table)
        done = 0
        for _, values in read_part(path, parts.SIGNATURES):
            chosen = values[wanted[done : done + len(values)]]
            result[filled : filled + len(chosen)] = chosen
            filled, done = filled + len(chosen), done + len(values)
    return result


class _Words:
    """The first words of single documents, read from their parts."""

    def __init__(self, paths: Sequence[Path], tables: Sequence[np.ndarray], starts_word: np.ndarray):
        self._paths = paths
        self._tables = tables
        self._starts_word = starts_word
        self._first = np.cumsum([0, *map(len, tables)])
        self._opened = functools.lru_cache(64)(self._open)
        self.of = functools.lru_cache(256)(self._of)  # an original is compared with each of its copies

    def _open(self, number: int) -> tuple[np.ndarray, TokenBlocks]:
        lengths = self._tables[number]["num_tokens"]
        return np.cumsum(lengths) - lengths, TokenBlocks(self._paths[number])

    def _of(self, document: int) -> list[int]:
        number = int(np.searchsorted(self._first, document, "right")) - 1
        starts, blocks = self._opened(number)
        row = document - int(self._first[number])
        length = int(self._tables[number]["num_tokens"][row])
        token_ids = blocks.read(int(starts[row]), min(length, COMPARED_WORDS * 4))
        starts_word = self._starts_word[token_ids]
        starts_word[0] = True
        return word_hashes(token_ids, starts_word)[:COMPARED_WORDS].tolist()
