"""What may be asked of a model: a text or several, each alone or with a second one."""

from __future__ import annotations

from collections.abc import Iterable


def is_one_text(texts: object, pairs: object) -> bool:
    """Whether a single string is asked about; TypeError for one text with several pairs."""
    if not isinstance(texts, str):
        return False
    if pairs is not None and not isinstance(pairs, str):
        raise TypeError(f"expected a string as the pair of one text, got {type(pairs).__name__}.")
    return True


def checked_texts(texts: Iterable[str], what: str = "text") -> list[str]:
    """Return several texts as a list; TypeError for a single string, and for what holds anything but strings."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise TypeError(f"expected a string or several, got {type(texts).__name__}.")
    texts = list(texts)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{what} {position} must be a string, got {type(text).__name__}.")
    return texts


def contexts_of(questions: list[str], contexts: str | Iterable[str] | None) -> list[str]:
    """Return the context of each question; a single string is that of all.

    Raises:
        TypeError: anything but strings.
        ValueError: there is no context.
    """
    if contexts is None:
        raise ValueError("questions are answered out of a context: give it as the second argument.")
    return [contexts] * len(questions) if isinstance(contexts, str) else checked_texts(contexts, "context")


def checked_pairs(pairs: Iterable[str] | None) -> list[str] | None:
    """Return the second texts as a list; TypeError as for the first ones."""
    return None if pairs is None else checked_texts(pairs, "pair")
