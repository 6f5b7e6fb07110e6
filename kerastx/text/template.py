"""Where the special tokens of a tokenizer stand around one text, and around a pair of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Slot(NamedTuple):
    """One place of a template.

    Attributes:
        text: 0 or 1, the text that stands here; None for a special token.
        token_id: the special token's id; 0 for a text.
        segment_id: the segment of the special token, or of all the text's tokens.
    """

    text: int | None
    token_id: int
    segment_id: int


@dataclass(frozen=True)
class Template:
    """Where the special tokens of one text, and of a pair of texts, stand."""

    single: tuple[Slot, ...]
    pair: tuple[Slot, ...]

    def slots(self, *, is_pair: bool) -> tuple[Slot, ...]:
        return self.pair if is_pair else self.single

    @property
    def before(self) -> tuple[int, ...]:
        """The special tokens in front of one text."""
        texts = [place for place, slot in enumerate(self.single) if slot.text is not None]
        return tuple(slot.token_id for slot in self.single[: texts[0]])

    def num_special(self, *, is_pair: bool) -> int:
        return sum(slot.text is None for slot in self.slots(is_pair=is_pair))
