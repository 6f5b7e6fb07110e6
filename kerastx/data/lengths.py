"""Length statistics of any number of items, exact, in memory that grows with the different lengths only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

PERCENTILES = (5, 25, 50, 75, 90, 95, 99)


@dataclass(frozen=True, eq=False)
class Lengths:
    """How often each length occurs.

    Attributes:
        values: int64, (K,); the different lengths, ascending.
        counts: int64, (K,); how many items have each.
    """

    values: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, blocks: Iterable[np.ndarray]) -> Lengths:
        """Count lengths that come in blocks, each int, (N,)."""
        found: Counter[int] = Counter()
        for block in blocks:
            values, counts = np.unique(block, return_counts=True)
            found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        ordered = sorted(found.items())
        return cls(*(np.array(column, np.int64) for column in (zip(*ordered, strict=True) if ordered else ((), ()))))

    @property
    def total(self) -> int:
        """The number of items."""
        return int(self.counts.sum())

    @property
    def sum(self) -> int:
        """All lengths added up."""
        return int((self.values * self.counts).sum())

    @property
    def mean(self) -> float:
        return self.sum / self.total if self.total else 0.0

    @property
    def maximum(self) -> int:
        return int(self.values[-1]) if self.total else 0

    def percentile(self, share: float) -> int:
        """Return the smallest length that at least `share` percent of the items do not exceed; 0 without items."""
        if not self.total:
            return 0
        return int(self.values[np.searchsorted(np.cumsum(self.counts) * 100, share * self.total)])

    def num_above(self, limit: int) -> int:
        """Return how many items are longer than `limit`."""
        return int(self.counts[self.values > limit].sum())

    def share_above(self, limit: int) -> float:
        return self.num_above(limit) / self.total if self.total else 0.0

    def to_dict(self) -> dict[str, float]:
        percentiles = {f"p{share}": self.percentile(share) for share in PERCENTILES}
        return {"mean": round(self.mean, 2), **percentiles, "max": self.maximum}
