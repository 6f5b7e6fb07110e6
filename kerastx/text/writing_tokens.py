"""With which tokens the texts of a model that writes begin and end, and how a tokenizer's JSON keeps that.

An encoder has a token for each role, with a name that everybody knows. A model that writes has tokens of its own
names, and one may have several roles: all of GPT-2's are <|endoftext|>. So whoever reads such a model tells the roles,
and they are kept in the template of the JSON, as special tokens that the template itself has no use for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tokenizers

from kerastx.errors import DataError
from kerastx.text.special_tokens import NAMES, SpecialTokens

_ROLES = ("begin", "end", "pad", "unknown")
_KEY = "kerastx:{}"


@dataclass(frozen=True)
class WritingTokens:
    """The tokens of a vocabulary that texts are written with; they need not differ.

    Attributes:
        begin: what a text begins with where nothing else does, at least one token.
        end: tokens each of which ends a text, the usual one first.
        pad: behind the last token.
        unknown: for what the vocabulary lacks.
    """

    begin: tuple[str, ...]
    end: tuple[str, ...]
    pad: str
    unknown: str

    def roles(self, vocabulary: Mapping[str, int]) -> SpecialTokens:
        """Return the token of each role that an encoder's tokenizer has; the unknown token masks without another."""
        mask = next((name for name in NAMES["mask"] if name in vocabulary), self.unknown)
        return SpecialTokens(pad=self.pad, unknown=self.unknown, cls=self.begin[-1], sep=self.end[0], mask=mask)


def with_writing_tokens(processor: Any, tokens: WritingTokens, vocabulary: Mapping[str, int]) -> dict[str, Any]:
    """Return the JSON of a post-processor that keeps the roles and adds no token that it did not add before."""
    parts = processor["processors"] if _type_of(processor) == "Sequence" else [processor] if processor else []
    if not any(_type_of(part) == "TemplateProcessing" for part in parts):
        # In front: behind others it would take their tokens for the text's.
        parts = [_no_template(), *parts]
    kept = {"begin": tokens.begin, "end": tokens.end, "pad": (tokens.pad,), "unknown": (tokens.unknown,)}
    entries = {
        _KEY.format(role): {
            "id": _KEY.format(role),
            "ids": [vocabulary[token] for token in names],
            "tokens": list(names),
        }
        for role, names in kept.items()
    }
    parts = [
        {**part, "special_tokens": {**part.get("special_tokens", {}), **entries}}
        if _type_of(part) == "TemplateProcessing"
        else part
        for part in parts
    ]
    return parts[0] if len(parts) == 1 else {"type": "Sequence", "processors": parts}


def kept_writing_tokens(backend: tokenizers.Tokenizer, vocabulary: Mapping[str, int]) -> WritingTokens | None:
    """Return the roles that a backend's post-processor keeps, None where it keeps none.

    Raises:
        DataError: a role is missing, or its tokens are not in the vocabulary.
    """
    if backend.post_processor is None:
        return None
    processor = json.loads(backend.post_processor.__getstate__())
    parts = processor["processors"] if _type_of(processor) == "Sequence" else [processor]
    templates = [part["special_tokens"] for part in parts if _type_of(part) == "TemplateProcessing"]
    found = {
        role: tuple(entries[_KEY.format(role)]["tokens"])
        for role in _ROLES
        for entries in templates[:1]
        if _KEY.format(role) in entries
    }
    if not found:
        return None
    if missing := [role for role in _ROLES if not found.get(role)]:
        raise DataError(f"the tokenizer of a model that writes lacks the tokens {', '.join(missing)}")
    check_known([token for tokens in found.values() for token in tokens], vocabulary)
    return WritingTokens(found["begin"], found["end"], found["pad"][0], found["unknown"][0])


def check_known(tokens: Sequence[str], vocabulary: Mapping[str, int]) -> None:
    """DataError for tokens that a vocabulary lacks."""
    if unknown := sorted({token for token in tokens if token not in vocabulary}):
        raise DataError(f"the tokenizer lacks the special tokens {', '.join(map(repr, unknown))}")


def _no_template() -> dict[str, Any]:
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {"type": "TemplateProcessing", "single": [first], "pair": [first, second], "special_tokens": {}}


def _type_of(part: Any) -> Any:
    return part.get("type") if isinstance(part, dict) else None
