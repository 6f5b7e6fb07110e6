"""What stands in a token store: lengths, vocabulary, repeats; in chunks, so the store may exceed the memory."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastx.data.lengths import Lengths
from kerastx.data.sentence_pairs import NUM_SPECIAL
from kerastx.data.store import TokenStore

RARE = 10  # a token that occurs less often is hardly learned
NUM_FREQUENT = 20
NUM_EXAMPLES = 3
_CHUNK = 1 << 20
_SHOWN_TOKENS = 16
_MANIFEST_FACTS = ("filters", "removed")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Repeat:
    """A document that occurs several times: how often, the first two numbers, the beginning of its text."""

    times: int
    documents: tuple[int, int]
    text: str


@dataclass(frozen=True, eq=False)
class StoreReport:
    """The facts of a token store.

    Attributes:
        store: the store.
        max_length: tokens of a row in pretraining, with [CLS] and two [SEP].
        document_tokens, document_sentences, sentence_tokens: lengths.
        token_counts: int64, (V,); how often each token of the vocabulary occurs.
        duplicates: documents whose token ids an earlier document has.
        repeats: the documents that occur most often.
    """

    store: TokenStore
    max_length: int
    document_tokens: Lengths
    document_sentences: Lengths
    sentence_tokens: Lengths
    token_counts: np.ndarray
    duplicates: int
    repeats: list[Repeat]

    @property
    def room(self) -> int:
        """Tokens of text in a row of pretraining."""
        return self.max_length - NUM_SPECIAL

    @property
    def used_tokens(self) -> int:
        return int((self.token_counts > 0).sum())

    @property
    def num_never_used(self) -> int:
        """Special tokens that a store never holds: all but [UNK]."""
        tokenizer = self.store.tokenizer
        return sum(not self.token_counts[id] for id in tokenizer.special_ids)

    @property
    def rare_tokens(self) -> int:
        """Tokens of the vocabulary that occur, but less than 10 times."""
        return int(((self.token_counts > 0) & (self.token_counts < RARE)).sum())

    @property
    def unknown_share(self) -> float:
        return float(self.token_counts[self.store.tokenizer.unknown_id] / self.store.num_tokens)

    @property
    def pieces_per_word(self) -> float:
        words = int(self.token_counts[self.store.tokenizer.word_start].sum())
        return self.store.num_tokens / max(words, 1)

    @property
    def pairs(self) -> int:
        """Sentences with a successor: the examples of next-sentence prediction in one epoch, both splits."""
        return self.store.num_sentences - self.store.num_documents

    def frequent_tokens(self, count: int = NUM_FREQUENT) -> list[tuple[str, int]]:
        order = np.argsort(-self.token_counts, kind="stable")[:count]
        return [
            (self.store.tokenizer.token(int(id)), int(self.token_counts[id])) for id in order if self.token_counts[id]
        ]

    def manifest_facts(self) -> dict[str, Any]:
        """What the manifest says about filters and what they removed; {} if it says nothing."""
        return {name: self.store.manifest[name] for name in _MANIFEST_FACTS if self.store.manifest.get(name)}

    def to_dict(self) -> dict[str, Any]:
        store = self.store
        return {
            "store": str(store.path),
            "max_length": self.max_length,
            "documents": store.num_documents,
            "sentences": store.num_sentences,
            "tokens": store.num_tokens,
            "pairs": self.pairs,
            "document_tokens": self.document_tokens.to_dict(),
            "document_sentences": self.document_sentences.to_dict(),
            "sentence_tokens": self.sentence_tokens.to_dict(),
            "documents_over_max_length": self.document_tokens.share_above(self.room),
            "sentences_over_max_length": self.sentence_tokens.share_above(self.room),
            "documents_of_one_sentence": 1.0 - self.document_sentences.share_above(1),
            "vocabulary": {
                "size": store.tokenizer.vocabulary_size,
                "used": self.used_tokens,
                "rare": self.rare_tokens,
                "unknown_share": self.unknown_share,
                "pieces_per_word": round(self.pieces_per_word, 3),
                "frequent": dict(self.frequent_tokens()),
            },
            "unigram_entropy": store.unigram_entropy,
            "duplicate_documents": self.duplicates,
            "repeats": [vars(repeat) | {"documents": list(repeat.documents)} for repeat in self.repeats],
            "sources": store.manifest.get("sources", []),
            **self.manifest_facts(),
        }


def report_store(store: TokenStore, *, max_length: int = 128, progress: Progress | None = None) -> StoreReport:
    """Read a token store once and report on it.

    Args:
        store: an open token store.
        max_length: tokens of a row in pretraining.
        progress: called with "documents", and how many are done and there are in all.
    """
    with tempfile.TemporaryFile() as kept:
        # 8 bytes a document, twice; on disk, where also a store of a billion documents has room.
        for start in range(0, store.num_documents, _CHUNK):
            kept.write(bytes(16 * min(_CHUNK, store.num_documents - start)))  # a full disk is told here
        kept.flush()
        hashes = np.memmap(kept, np.uint64, "r+", shape=(2, store.num_documents))
        _hash_documents(store, hashes[0], progress)
        duplicates, repeats = _repeats(store, hashes)
        del hashes
    return StoreReport(
        store=store,
        max_length=max_length,
        document_tokens=Lengths.of(np.diff(store.sentences[block]) for block in _blocks(store.documents)),
        document_sentences=Lengths.of(np.diff(block) for block in _blocks(store.documents)),
        sentence_tokens=Lengths.of(np.diff(block) for block in _blocks(store.sentences)),
        token_counts=store.token_counts(),
        duplicates=duplicates,
        repeats=repeats,
    )


def _blocks(offsets: np.ndarray) -> Iterator[np.ndarray]:
    """Yield parts of an offset array that overlap by one, so that their differences are those of the whole."""
    for start in range(0, len(offsets) - 1, _CHUNK):
        yield offsets[start : start + _CHUNK + 1]


def _hash_documents(store: TokenStore, hashes: np.ndarray, progress: Progress | None) -> None:
    number = 0
    for block in _blocks(store.documents):
        bounds = store.sentences[block].tolist()
        for start, end in itertools.pairwise(bounds):
            digest = hashlib.blake2b(store.tokens[start:end].data, digest_size=8)
            hashes[number] = int.from_bytes(digest.digest(), "little")
            number += 1
            if progress and (number % 4096 == 0 or number == store.num_documents):
                progress("documents", number, store.num_documents)


def _repeats(store: TokenStore, hashes: np.ndarray) -> tuple[int, list[Repeat]]:
    """Return how many documents repeat an earlier one, and those that occur most often."""
    by_document, ordered = hashes
    ordered[:] = by_document
    ordered.sort()
    blocks = (ordered[start : start + _CHUNK + 1] for start in range(0, len(ordered), _CHUNK))
    repeated = np.concatenate([block[1:][block[1:] == block[:-1]] for block in blocks])
    values, counts = np.unique(repeated, return_counts=True)
    repeats = []
    for group in np.argsort(-counts, kind="stable")[:NUM_EXAMPLES]:
        first, second = np.flatnonzero(by_document == values[group])[:2].tolist()
        repeats.append(Repeat(int(counts[group]) + 1, (first, second), _beginning(store, first)))
    return len(repeated), repeats


def _beginning(store: TokenStore, document: int) -> str:
    start, end = (int(store.sentences[store.documents[document + side]]) for side in (0, 1))
    return store.tokenizer.decode(store.tokens[start : min(end, start + _SHOWN_TOKENS)])
