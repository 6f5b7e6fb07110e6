"""Strings that every UTF-8 library takes."""

from __future__ import annotations

import re
from collections.abc import Sequence

SURROGATE = re.compile("[\ud800-\udfff]")


def well_formed(texts: Sequence[str]) -> list[str]:
    """Replace lone surrogates, which no UTF-8 library takes; offsets stay true. TypeError for one string."""
    if isinstance(texts, str):
        raise TypeError("texts must be a list of strings, got one string.")
    return [text if text.isascii() else SURROGATE.sub("\ufffd", text) for text in texts]
