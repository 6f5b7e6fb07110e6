"""From the probabilities of tokens to the entities of a text; long texts are read in windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kerastx.text.encoding import Encoding, TextEncoder
from kerastx.text.tags import OUTSIDE, best_valid, entities
from kerastx.text.units import first_tokens, unit_spans
from kerastx.text.windows import windows

# Encodings -> the probabilities of the tags of each of their tokens, float (L, C) each.
TokenProbabilities = Callable[[list[Encoding]], list[np.ndarray]]
_TINY = 1e-30


@dataclass(frozen=True)
class Entity:
    """A named part of a text.

    Attributes:
        text: the part, as it stands in the text.
        label: its type.
        start, end: characters; text[start:end] is it.
        probability: mean over its words of the probability of their tag.
    """

    text: str
    label: str
    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class TaggedUnits:
    """The words, marks and ideographs of a text, and the tag of each.

    Attributes:
        spans: their character ranges.
        tags: a valid sequence, int (N,).
        probabilities: of those tags, float (N,).
    """

    spans: list[tuple[int, int]]
    tags: np.ndarray
    probabilities: np.ndarray


def tag_units(
    texts: Sequence[str],
    tokenizer: TextEncoder,
    tags: Sequence[str],
    *,
    max_length: int,
    token_probabilities: TokenProbabilities,
) -> list[TaggedUnits]:
    """Tag every unit of every text; a unit is judged at its first token, in the window that sees most around it."""
    encodings = tokenizer.encode_batch(list(texts))
    cut = [windows(encoding, max_length=max_length) for encoding in encodings]
    answers = iter(token_probabilities([window.encoding for parts in cut for window in parts]))
    found = []
    for text, encoding, parts in zip(texts, encodings, cut, strict=True):
        whole = np.zeros((len(encoding), len(tags)), np.float32)
        for window in parts:
            owned = (window.rows >= window.owned[0]) & (window.rows < window.owned[1])
            whole[window.rows[owned]] = next(answers)[owned]
        found.append(_tagged(text, encoding, whole, tags))
    return found


def _tagged(text: str, encoding: Encoding, whole: np.ndarray, tags: Sequence[str]) -> TaggedUnits:
    spans = unit_spans(text)
    outside = np.eye(1, len(tags), dtype=np.float32)[0]  # of what the tokenizer leaves out
    tokens = first_tokens(spans, encoding.offsets)
    # A token over several units, as SentencePiece has them, is judged once; the units behind the first go on with it.
    begins = [place == 0 or token is None or token != tokens[place - 1] for place, token in enumerate(tokens)]
    judged = [token for token, begin in zip(tokens, begins, strict=True) if begin]
    rows = np.array([outside if token is None else whole[token] for token in judged]).reshape(-1, len(tags))
    path = best_valid(np.log(np.maximum(rows, _TINY)), tags)
    owner = np.cumsum(begins, dtype=np.int64) - 1
    inside = np.array([tags.index(f"I-{tag[2:]}") if tag != OUTSIDE else number for number, tag in enumerate(tags)])
    numbers = np.where(begins, path[owner], inside[path[owner]]) if len(spans) else path
    return TaggedUnits(spans, numbers, rows[owner, path[owner]] if len(spans) else np.zeros(0, np.float32))


def entities_in(text: str, units: TaggedUnits, tags: Sequence[str]) -> list[Entity]:
    """Return the entities of a text whose units are tagged, in order."""
    found = []
    for first, last, label in entities([tags[number] for number in units.tags]):
        start, end = units.spans[first][0], units.spans[last - 1][1]
        found.append(Entity(text[start:end], label, start, end, float(units.probabilities[first:last].mean())))
    return found
