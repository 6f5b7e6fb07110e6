"""What the configs of all models check alike; every ValueError names the field and what arrived."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any


def check_counts(config: Any, names: Iterable[str], *, optional: Iterable[str] = ()) -> None:
    """Expect positive integers; None too where optional."""
    for name in (*names, *optional):
        value = getattr(config, name)
        if value is None and name in optional:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}.")


def check_flags(config: Any, names: Iterable[str], *, optional: Iterable[str] = ()) -> None:
    """Expect true or false; None too where optional."""
    for name in (*names, *optional):
        value = getattr(config, name)
        if not isinstance(value, bool) and not (value is None and name in optional):
            raise ValueError(f"{name} must be true or false, got {value!r}.")


def check_choices(config: Any, choices: dict[str, Collection[str]]) -> None:
    """Expect one of the names that `choices` has for a field."""
    for name, names in choices.items():
        if getattr(config, name) not in names:
            raise ValueError(f"{name} must be one of {names}, got {getattr(config, name)!r}.")


def check_positive(config: Any, names: Iterable[str]) -> None:
    """Expect numbers above 0."""
    for name in names:
        if not getattr(config, name) > 0:
            raise ValueError(f"{name} must be positive, got {getattr(config, name)!r}.")


def check_dropout_rate(config: Any) -> None:
    """Expect a dropout_rate in [0, 1)."""
    if not 0 <= config.dropout_rate < 1:
        raise ValueError(f"dropout_rate must be in [0, 1), got {config.dropout_rate!r}.")


def check_keys(kind: type, values: dict[str, Any], *, name: str) -> None:
    """Expect no key that the config lacks, and a vocabulary_size."""
    known = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"unknown {name} config keys {unknown}; known are {sorted(known)}.")
    if "vocabulary_size" not in values:
        raise ValueError(f"the {name} config lacks vocabulary_size.")
