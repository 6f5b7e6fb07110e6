"""How a model writes: which of the next tokens it takes, and where it ends."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Beyond it a length to this power leaves the range of float32.
MOST_LENGTH_PENALTY = 8


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """How texts are written; by default with the most probable token at each step.

    Args:
        max_new_tokens: a text has at most so many tokens, its end included; None = what the task is used to, and never
            more than the model has room for.
        min_new_tokens: it does not end before it has so many.
        num_beams: texts that are written side by side to find the most probable one.
        length_penalty: of beams: a text's log-probability is divided by its number of tokens to this power; above 0
            favours long texts.
        early_stopping: of beams: whether to stop as soon as there are num_beams whole texts, without looking whether a
            better one may come.
        temperature: 0 = the most probable token; above it tokens are drawn, at 1 from the model's own distribution,
            below from a sharper one.
        top_k: draw from the k most probable tokens only.
        top_p: draw from the fewest tokens that have this probability together (Holtzman et al., 2020).
        min_p: draw from tokens that are at least this share as probable as the most probable one.
        repetition_penalty: above 1 makes tokens less probable that are there already (Keskar et al., 2019).
        no_repeat_ngram: no sequence of so many tokens is written twice.
        stop: a text ends before any of these strings, or before this one.
        seed: of what is drawn; the same seed gives the same text.
    """

    max_new_tokens: int | None = None
    min_new_tokens: int = 0
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool = False
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    no_repeat_ngram: int | None = None
    stop: str | Sequence[str] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop))
        for name, least in (("num_beams", 1), ("min_new_tokens", 0), ("seed", 0)):
            _check_whole(name, getattr(self, name), least)
        for name in ("max_new_tokens", "top_k", "no_repeat_ngram"):
            if getattr(self, name) is not None:
                _check_whole(name, getattr(self, name), 1)
        for name in ("top_p", "min_p"):
            share = getattr(self, name)
            if share is not None and not (_is_number(share) and 0 < share <= 1):
                raise ValueError(f"{name} must be in (0, 1], got {share!r}.")
        if not (_is_number(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature must be a number of at least 0, got {self.temperature!r}.")
        if not (_is_number(self.repetition_penalty) and self.repetition_penalty > 0):
            raise ValueError(f"repetition_penalty must be a number above 0, got {self.repetition_penalty!r}.")
        if not (_is_number(self.length_penalty) and abs(self.length_penalty) <= MOST_LENGTH_PENALTY):
            most = MOST_LENGTH_PENALTY
            raise ValueError(f"length_penalty must be in [-{most}, {most}], got {self.length_penalty!r}.")
        if not all(isinstance(text, str) and text for text in self.stop):
            raise ValueError(f"stop must be strings that are not empty, got {self.stop!r}.")
        self._check_together()

    def _check_together(self) -> None:
        if self.max_new_tokens is not None and self.min_new_tokens > self.max_new_tokens:
            raise ValueError(
                f"min_new_tokens must be at most max_new_tokens, {self.max_new_tokens}, got {self.min_new_tokens}."
            )
        if self.temperature > 0 and self.num_beams > 1:
            raise ValueError("beams look for the most probable text: give them a temperature of 0.")
        drawing = [name for name in ("top_k", "top_p", "min_p") if getattr(self, name) is not None]
        if drawing and self.temperature == 0:
            raise ValueError(f"{' and '.join(drawing)} count where tokens are drawn: give a temperature above 0.")

    @property
    def is_plain(self) -> bool:
        """Whether the model's probabilities alone say what is written: not chance, nor what the text says so far."""
        looks_back = self.repetition_penalty != 1 or self.no_repeat_ngram is not None or bool(self.stop)
        return self.temperature == 0 and not looks_back

    @classmethod
    def of(cls, settings: GenerationSettings | None, options: dict[str, Any]) -> GenerationSettings:
        """Return settings with some changed by name; ValueError for a name that none has."""
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(set(options) - set(known)):
            raise ValueError(f"unknown settings {', '.join(unknown)}; known are {', '.join(known)}.")
        return dataclasses.replace(settings or cls(), **options)


def _check_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
