"""What a row of comparisons consists of: contestants, cases, the reference they must agree with, the bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

OURS, PEERS = "ours", "peers"


class BenchmarkError(Exception):
    """A comparison that cannot be made; its message is one line."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One side of a comparison.

    Attributes:
        name: short, unique in its row.
        label: for the table.
        script: worker, relative to tests/benchmarks.
        environment: "ours" or "peers": whose interpreter runs it.
        options: JSON values for the worker.
        arithmetic: number format of its matrix products, a key of its worker's rates.
        operations: as the row's, where it does with fewer.
        reference: which of the row's references it must agree with.
        tolerance: largest difference from it; None where only `min_cosine` counts.
        min_cosine: smallest cosine with it.
    """

    name: str
    label: str
    script: str
    environment: str = PEERS
    options: Mapping[str, Any] = field(default_factory=dict)
    arithmetic: str = "fp32"
    operations: Mapping[str, float] | None = None
    reference: str = "exact"
    tolerance: float | None = 1e-4
    min_cosine: float = 0.999


@dataclass(frozen=True)
class Bar:
    """`ours` must be at least `factor` times as fast as `peer` in `case`."""

    ours: str
    peer: str
    case: str
    factor: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """A set of contestants that do the same work.

    Attributes:
        name: as `--rows` chooses it.
        title, about: of its section of the report; `about` is Markdown.
        unit: what one call is: "text", "step".
        cases: case -> what it is, in words.
        operations: case -> floating point operations of the matrix products of one call.
        contestants: in the order of the table.
        bars: that are judged.
        references: reference -> case -> the right answer. Called once, before anything is timed.
        prepare: makes the files that the contestants read; returns contestant -> why it cannot take part.
        notes: lines for the report.
        seconds_per_turn: CPU time of one turn of one contestant.
    """

    name: str
    title: str
    about: str
    unit: str
    cases: Mapping[str, str]
    operations: Mapping[str, float] = field(default_factory=dict)
    contestants: tuple[Contestant, ...]
    bars: tuple[Bar, ...] = ()
    references: Callable[[], Mapping[str, Mapping[str, list]]]
    prepare: Callable[[], Mapping[str, str]] = dict
    notes: tuple[str, ...] = ()
    seconds_per_turn: float = 0.25


@dataclass(frozen=True)
class Agreement:
    """How far an answer is from the reference."""

    max_difference: float
    cosine: float


def agreement(answer: list, expected: list) -> Agreement:
    """Compare nested lists of numbers; BenchmarkError if they are not of one size, or not finite."""
    found, wanted = list(_flat(answer)), list(_flat(expected))
    if len(found) != len(wanted):
        raise BenchmarkError(f"{len(found)} numbers where the reference has {len(wanted)}")
    if not all(math.isfinite(value) for value in found):
        raise BenchmarkError("the answer holds NaN or infinity")
    norm = math.sqrt(math.fsum(x * x for x in found) * math.fsum(x * x for x in wanted))
    cosine = math.fsum(x * y for x, y in zip(found, wanted, strict=True)) / norm if norm else 0.0
    return Agreement(max(abs(x - y) for x, y in zip(found, wanted, strict=True)), cosine)


def check_agreement(contestant: Contestant, case: str, found: Agreement) -> None:
    """Raise BenchmarkError unless `found` is close enough: what computes something else is not compared."""
    wrong = None
    if contestant.tolerance is not None and found.max_difference > contestant.tolerance:
        wrong = f"differs by {found.max_difference:.2g}, at most {contestant.tolerance:g} is allowed"
    elif found.cosine < contestant.min_cosine:
        wrong = f"has the cosine {found.cosine:.5f}, at least {contestant.min_cosine:g} is asked for"
    if wrong:
        raise BenchmarkError(
            f"{contestant.name}, {case}: the answer {wrong} (reference {contestant.reference!r}); nothing was timed"
        )


def _flat(values: Iterable) -> Iterable[float]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield float(value)
