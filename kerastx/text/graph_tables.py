"""A WordPiece tokenizer as tables of whole numbers, for a model that reads bytes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np

from kerastx.errors import DataError
from kerastx.text.double_array import DoubleArray
from kerastx.text.special_tokens import CONTINUATION
from kerastx.text.tokenizer import Tokenizer
from kerastx.text.unicode_units import REMOVED, unicode_units

# Letters of the trie: 0 is none, 1 any character that no token has.
OTHER = 1
_PAGE = 32


@dataclass(frozen=True, eq=False)
class WordPieceTables:
    """What `kerastx.layers.wordpiece.WordPiece` looks up.

    A code point c has v = units[pages[groups[c // 1024], c // 32 % 32], c % 32]. Its only unit is v, or it has none
    where v is 0, or the units expansions[-v] where v is negative; a unit is 4 · letter + kind, with the kinds of
    `kerastx.text.unicode_units`, and 0 behind the last.

    Attributes:
        groups: (1088,), pages: (G, 32), units: (P, 32).
        expansions: (E, W); the first is empty.
        check, base: (S,), the tries of the tokens that begin a word (root 1) and of those that go on (root 2), see
            `DoubleArray`. The base of a state in which a token ends is negative.
        ids: (S,), the token that ends in a state, V where none does.
        lengths: (V + 1,), the letters of a token.
        longest: letters of the longest token.
        longest_word: longer words are unknown.
        unknown_id: of [UNK].
    """

    groups: np.ndarray
    pages: np.ndarray
    units: np.ndarray
    expansions: np.ndarray
    check: np.ndarray
    base: np.ndarray
    ids: np.ndarray
    lengths: np.ndarray
    longest: int
    longest_word: int
    unknown_id: int

    @property
    def size_bytes(self) -> int:
        """Of the arrays, as they stand in a file."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> WordPieceTables:
        """Build the tables of a tokenizer.

        Raises:
            DataError: it is not a WordPiece that normalises and cuts as BERT does.
        """
        model = _bert_model(tokenizer)
        known = unicode_units(tokenizer.backend)
        words, letters = _words(model["vocab"], known.characters)
        tries = DoubleArray.build(words, num_roots=2, num_letters=len(letters) + 2)
        ends, size = tries.value >= 0, tokenizer.vocabulary_size
        lengths = np.zeros(size + 1, np.int32)
        lengths[tries.value[ends]] = tries.depth[ends]
        return cls(
            **_unit_tables(known.characters, known.kinds, letters),
            check=small(tries.check),
            base=small(np.where(ends, -tries.base, tries.base)),
            ids=small(np.where(ends, tries.value, size)),
            lengths=small(lengths),
            longest=int(tries.depth.max()),
            longest_word=model["max_input_chars_per_word"],
            unknown_id=tokenizer.unknown_id,
        )


def _bert_model(tokenizer: Tokenizer) -> dict:
    content = json.loads(tokenizer.to_json())
    kinds = [(content[part] or {}).get("type") for part in ("model", "normalizer", "pre_tokenizer")]
    if kinds != ["WordPiece", "BertNormalizer", "BertPreTokenizer"]:
        raise DataError(f"expected a WordPiece tokenizer with BERT's normalizer and pre-tokenizer, got {kinds}")
    if not content["normalizer"].get("clean_text", True):
        raise DataError("expected a WordPiece tokenizer that removes control characters, got one that keeps them")
    check_added_tokens(content)
    return content["model"]


def check_added_tokens(content: dict) -> None:
    """Raise DataError for tokens that are looked for in texts before these are cut into words."""
    added = [token["content"] for token in content["added_tokens"] if not token["special"]]
    if added:
        raise DataError(f"expected a tokenizer without added words, got {', '.join(map(repr, added[:3]))}")


def _words(vocabulary: dict[str, int], characters: np.ndarray) -> tuple[list[tuple[int, list[int], int]], list[int]]:
    """Return the tokens that a text can have as (root, letters, id), and the characters of the letters from 2 on.

    The most frequent letters are the last: most of a trie's states then lie close below its end.
    """
    reachable = set(np.unique(characters).tolist()) - {0}
    tokens = []
    for token, number in vocabulary.items():
        is_continuation = token.startswith(CONTINUATION) and len(token) > len(CONTINUATION)
        codes = [ord(character) for character in token.removeprefix(CONTINUATION if is_continuation else "")]
        if codes and reachable.issuperset(codes):
            tokens.append((int(is_continuation), codes, number))
    counts = Counter(code for _, codes, _ in tokens for code in codes)
    used = sorted(counts, key=lambda code: (counts[code], code))
    letter = {code: number for number, code in enumerate(used, OTHER + 1)}
    return [(root, [letter[code] for code in codes], number) for root, codes, number in tokens], used


def _unit_tables(characters: np.ndarray, kinds: np.ndarray, letters: list[int]) -> dict[str, np.ndarray]:
    letter_of = np.full(int(characters.max()) + 1, OTHER, np.int32)
    letter_of[letters] = np.arange(OTHER + 1, OTHER + 1 + len(letters))
    coded = np.where(kinds == REMOVED, 0, 4 * letter_of[characters] + kinds)
    is_long = coded[:, 1:].any(axis=1)
    expansions, which = np.unique(coded[is_long], axis=0, return_inverse=True)
    values = coded[:, 0].copy()
    values[is_long] = -1 - which.ravel()
    units, pages = _paged(values)
    pages, groups = _paged(pages)
    expansions = np.concatenate([np.zeros_like(coded[:1]), expansions])
    return {"groups": small(groups), "pages": small(pages), "units": small(units), "expansions": small(expansions)}


def _paged(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different pages that the values have, (P, 32), and which of them are all of the values."""
    pages, which = np.unique(values.reshape(-1, _PAGE), axis=0, return_inverse=True)
    return pages, which.ravel()


def small(values: np.ndarray) -> np.ndarray:
    """Return the values in the smallest dtype of int8, int16 and int32 that holds them."""
    dtypes = (np.int8, np.int16, np.int32)
    largest = np.abs(values).max(initial=0)
    dtype = next(one for one in dtypes if largest <= np.iinfo(one).max)
    return np.ascontiguousarray(values.astype(dtype))
