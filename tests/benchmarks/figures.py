"""Medians, spreads and ratios of the figures of alternating rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median and quartiles (inclusive method: the ends of the data are its 0 % and 100 %)."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True)
class Ratio:
    """How many times as fast: of the medians, and the spread of the rounds' own ratios.

    What slows the machine down slows the neighbours of a round alike, so the second holds where the first wavers.
    """

    of_medians: float
    per_round: Spread


def speedup(ours: Sequence[float], peer: Sequence[float]) -> Ratio:
    """Return how many times as fast `ours` is, of the CPU times of the same rounds."""
    return Ratio(
        statistics.median(peer) / statistics.median(ours),
        Spread.of([theirs / mine for mine, theirs in zip(ours, peer, strict=True)]),
    )
