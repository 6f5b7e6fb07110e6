"""Tags of units in the BIO scheme, entities, and the best valid sequence of tags.

B-PER begins an entity of the type PER, I-PER goes on with it, O is outside (IOB2: Tjong Kim Sang and Veenstra, 1999).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

OUTSIDE = "O"


class Span(NamedTuple):
    """An entity: units first to last - 1, and its type."""

    first: int
    last: int
    label: str


def bio_tags(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the tags of these entity types: O, B-..., I-..., in the order of the types."""
    return (OUTSIDE, *(f"{position}-{label}" for label in labels for position in "BI"))


def may_follow(before: str | None, tag: str) -> bool:
    """Whether `tag` may stand behind `before`, or at the beginning: I-X only goes on with an X."""
    if not tag.startswith("I-"):
        return True
    return before is not None and before != OUTSIDE and before[2:] == tag[2:]


def entities(tags: Sequence[str]) -> list[Span]:
    """Return the entities of a valid sequence of tags; an I-X that goes on with nothing begins one, as in seqeval."""
    found: list[Span] = []
    first, label = 0, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        goes_on = label and tag == f"I-{label}"
        if label and not goes_on:
            found.append(Span(first, place, label))
            label = ""
        if tag != OUTSIDE and not goes_on:
            first, label = place, tag[2:]
    return found


def best_valid(log_probabilities: np.ndarray, tags: Sequence[str]) -> np.ndarray:
    """Return the most probable of the valid sequences (Viterbi, 1967): float (N, C) -> int (N,).

    Units are independent but for which tag may follow which.
    """
    count = len(log_probabilities)
    if not count:
        return np.zeros(0, np.int64)
    forbidden = np.array([[0.0 if may_follow(one, other) else -np.inf for other in tags] for one in tags])
    start = np.array([0.0 if may_follow(None, tag) else -np.inf for tag in tags])
    score = start + log_probabilities[0]
    came_from = np.zeros((count, len(tags)), np.int64)
    for place in range(1, count):
        through = score[:, None] + forbidden
        came_from[place] = through.argmax(axis=0)
        score = through.max(axis=0) + log_probabilities[place]
    path = [int(score.argmax())]
    for place in range(count - 1, 0, -1):
        path.append(int(came_from[place, path[-1]]))
    return np.array(path[::-1])
