"""What writes a text token by token, and what it is told: a Keras model or an exported file may be behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class GeneratedText:
    """What a model wrote.

    Attributes:
        text: without stop strings; where a language model goes on from a prompt without that.
        token_ids: all tokens that were written, the one that ended the text included.
        log_probability: of these tokens, under the model.
        finish: "end" where the model ended the text, "stop" before a stop string, "length" without room for more.
    """

    text: str
    token_ids: tuple[int, ...]
    log_probability: float
    finish: str


class Decoder(Protocol):
    """A model in the middle of writing several texts, one per row."""

    def begin(self) -> np.ndarray:
        """Return the logits of the first token of each row, float (B, V)."""

    def go_on(self, token_ids: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Add a token to some rows, in any order, each as often as wanted; the others are forgotten.

        Args:
            token_ids: int32 (R,).
            rows: int32 (R,), of the last step, that are gone on from.

        Returns:
            Float (R, V), the logits of the next token; rows of the next step are numbered by their places here.
        """


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a text begins with, and what it may have.

    Attributes:
        token_ids: all that the model has read of the text before the first new token.
        shown: of these what people see before the new text, which decides about its first blank.
        max_new_tokens: room for so many.
        begun: how many of token_ids are part of the new text, as BART's <s>: beams compare texts by their length.
        number: of the text among all that are written; texts with one seed differ by it.
    """

    token_ids: tuple[int, ...]
    shown: tuple[int, ...] = ()
    max_new_tokens: int
    begun: int = 0
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Language:
    """What a loop has to know of a vocabulary.

    Attributes:
        decode: token ids to text, without special tokens.
        end_ids: tokens that end a text.
        never_ids: tokens that no text has.
    """

    decode: Callable[[Sequence[int]], str]
    end_ids: tuple[int, ...]
    never_ids: tuple[int, ...] = ()
