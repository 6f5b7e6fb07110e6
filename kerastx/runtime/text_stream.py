"""Tokens to text, piece by piece: never half a character, and never what a stop string may begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# What a decoder writes for bytes that are no character, or not yet.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# The tokens before others that say how these are spelled, with a blank or as a part of a word.
CONTEXT = 8
# So many tokens are decoded together; all of a text, for each of its tokens, would soon take longer than the model.
WINDOW = 4 * CONTEXT


class TextStream:
    """The text of tokens that come one after the other.

    Args:
        decode: token ids to text.
        before: the tokens that the text goes on from.
        stop: the text ends before any of these strings.

    Attributes:
        text: what the stream has given so far.
        is_stopped: whether a stop string was met; nothing comes after it.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], *, before: Sequence[int] = (), stop: Sequence[str] = ()):
        self.text = ""
        self.is_stopped = False
        self._decode = decode
        self._token_ids = list(before[-CONTEXT:])
        self._before = len(decode(self._token_ids)) if self._token_ids else 0
        self._settled = ""  # what earlier tokens spell that are decoded no more
        self._stop = tuple(stop)

    def add(self, *token_ids: int) -> str:
        """Take the next tokens; return what is certain of the text and was not given yet."""
        self._token_ids += token_ids
        whole = self._whole()
        if len(self._token_ids) > WINDOW and not whole.endswith(REPLACEMENT):
            self._settled, self._token_ids = whole, self._token_ids[-CONTEXT:]
            self._before = len(self._decode(self._token_ids))
        return self._give(whole.rstrip(REPLACEMENT), is_last=False)

    def end(self) -> str:
        """Return the rest, which was held back."""
        return self._give(self._whole(), is_last=True)

    def _whole(self) -> str:
        return self._settled + self._decode(self._token_ids)[self._before :]

    def _give(self, whole: str, *, is_last: bool) -> str:
        if self.is_stopped:
            return ""
        found = [place for place in (whole.find(text) for text in self._stop) if place >= 0]
        if found:
            self.is_stopped = True
            whole = whole[: min(found)]
        elif not is_last:
            whole = whole[: len(whole) - max((_overlap(whole, text) for text in self._stop), default=0)]
        piece = whole[len(self.text) :]
        self.text += piece
        return piece


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of a text a stop string begins with."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
