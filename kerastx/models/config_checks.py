"""What the configs of all models check alike; every ValueError names the field and what arrived."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from reprlib import repr as short
from typing import Any

# The least and the most of numbers: within them float32 neither overflows nor loses them.
EPSILONS = (1e-30, 1.0)
INITIALIZER_RANGES = (1e-30, 1e3)
# Of tokens; caches of keys and values are made for so many. No published model has seen longer texts.
MOST_TOKENS = 2**20


def check_counts(config: Any, names: Iterable[str], *, optional: Iterable[str] = ()) -> None:
    """Expect positive integers; None too where optional."""
    for name in (*names, *optional):
        value = getattr(config, name)
        if value is None and name in optional:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {short(value)}.")


def check_at_most(config: Any, limits: Mapping[str, int]) -> None:
    """Expect no more than the limit of each field."""
    for name, most in limits.items():
        if getattr(config, name) > most:
            raise ValueError(f"{name} must be at most {most:,}, got {short(getattr(config, name))}.")


def check_flags(config: Any, names: Iterable[str], *, optional: Iterable[str] = ()) -> None:
    """Expect true or false; None too where optional."""
    for name in (*names, *optional):
        value = getattr(config, name)
        if not isinstance(value, bool) and not (value is None and name in optional):
            raise ValueError(f"{name} must be true or false, got {short(value)}.")


def check_choices(config: Any, choices: dict[str, Collection[str]]) -> None:
    """Expect one of the names that `choices` has for a field."""
    for name, names in choices.items():
        if getattr(config, name) not in names:
            raise ValueError(f"{name} must be one of {names}, got {short(getattr(config, name))}.")


def check_numbers(config: Any, limits: Mapping[str, tuple[float, float]]) -> None:
    """Expect numbers from the least to the most of each field."""
    for name, (least, most) in limits.items():
        value = getattr(config, name)
        if not _is_number(value) or not least <= value <= most:
            raise ValueError(f"{name} must be a number from {least:g} to {most:g}, got {short(value)}.")


def check_dropout_rate(config: Any) -> None:
    """Expect a dropout_rate in [0, 1)."""
    if not _is_number(config.dropout_rate) or not 0 <= config.dropout_rate < 1:
        raise ValueError(f"dropout_rate must be in [0, 1), got {short(config.dropout_rate)}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_keys(kind: type, values: dict[str, Any], *, name: str) -> None:
    """Expect no key that the config lacks, and a vocabulary_size."""
    known = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"unknown {name} config keys {unknown}; known are {sorted(known)}.")
    if "vocabulary_size" not in values:
        raise ValueError(f"the {name} config lacks vocabulary_size.")
