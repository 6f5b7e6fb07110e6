"""The tiny tokenizers of text_backends.py, trained once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tokenizers
from text_backends import BACKENDS


@pytest.fixture(scope="session")
def backends() -> Callable[[str], tokenizers.Tokenizer]:
    """A function from a name in BACKENDS to a new copy of that backend, trained once."""
    trained: dict[str, str] = {}

    def backend(name: str) -> tokenizers.Tokenizer:
        if name not in trained:
            trained[name] = BACKENDS[name]().to_str()
        return tokenizers.Tokenizer.from_str(trained[name])

    return backend
