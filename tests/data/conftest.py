"""Token stores to test with: one of real text, and one in which every token shows where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from kerastx.data.prepare import prepare
from kerastx.data.store import TokenStore, write_store
from kerastx.text.tokenizer import SPECIAL_TOKENS, Tokenizer

ANIMALS = ["fox", "dog", "cat", "owl", "hen", "ant", "bee", "elk", "emu", "rat", "pig", "cow"]
VERBS = ["watches", "follows", "ignores", "carries", "remembers", "understands"]


def story(number: int, num_sentences: int) -> str:
    """Return a paragraph of different sentences."""
    pick = np.random.default_rng(number)
    words = [(pick.choice(ANIMALS), pick.choice(VERBS), pick.choice(ANIMALS)) for _ in range(num_sentences)]
    return " ".join(f"The {one} quietly {does} the unbelievable {other}." for one, does, other in words)


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory) -> Path:
    """150 documents of 1 to 6 sentences, separated by blank lines."""
    file = tmp_path_factory.mktemp("corpus") / "stories.txt"
    file.write_text("\n\n".join(story(number, 1 + number % 6) for number in range(150)), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def store(corpus_file, tmp_path_factory) -> TokenStore:
    """The stories, tokenized with a vocabulary that is small enough to cut words into pieces."""
    return prepare([corpus_file], tmp_path_factory.mktemp("store") / "stories", vocabulary_size=100)


def numbered_tokenizer(num_words: int) -> Tokenizer:
    """Return a tokenizer of the special tokens and the words w0, w1, ..."""
    vocabulary = {token: number for number, token in enumerate(SPECIAL_TOKENS)}
    vocabulary |= {f"w{number}": number + len(SPECIAL_TOKENS) for number in range(num_words)}
    backend = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return Tokenizer(backend)


@pytest.fixture(scope="session")
def make_numbered_store(tmp_path_factory) -> Callable[[list[list[int]]], TokenStore]:
    """Return a function: sentence lengths of each document -> a store whose token at position p has the id p + 5."""

    def make(documents: list[list[int]]) -> TokenStore:
        lengths = [length for document in documents for length in document]
        ids = np.arange(sum(lengths), dtype=np.int32) + len(SPECIAL_TOKENS)
        sentences = np.split(ids, np.cumsum(lengths)[:-1])
        starts = [number == 0 for document in documents for number in range(len(document))]
        return write_store(
            tmp_path_factory.mktemp("numbered") / "store",
            [(sentences, starts)],
            tokenizer=numbered_tokenizer(len(ids)),
            documents="blank",
            sources=[],
        )

    return make


@pytest.fixture(scope="session")
def numbered_store(make_numbered_store) -> TokenStore:
    """260 documents of 1 to 9 sentences of 1 to 40 tokens."""
    pick = np.random.default_rng(0)
    return make_numbered_store([list(pick.integers(1, 41, pick.integers(1, 10))) for _ in range(260)])
