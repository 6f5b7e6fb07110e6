"""What a session answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Classification:
    """The most probable label of a text.

    Attributes:
        label: its name.
        probability: its probability.
        probabilities: label -> probability, most probable first; they sum to 1.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
