"""One shard -> one part: its tokens, and what the filters need to know about each of its documents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerastx.data import parts
from kerastx.data.corpus import Segment, Sentence, read_segments
from kerastx.data.language import SAMPLE_CHARACTERS, LanguageFilter
from kerastx.data.near_duplicates import MINIMUM_WORDS, WORDS, minima, signature, word_hashes
from kerastx.data.parts import PartWriter
from kerastx.text.tokenizer import Tokenizer

BATCH_SENTENCES = 2000  # enough to keep all cores busy
BATCH_CHARACTERS = 500_000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How shards become parts; JSON values only.

    Attributes:
        documents: see `read_sentences`.
        encoding_errors: see `read_sentences`.
        exact: see `read_sentences`.
        languages: ISO 639 codes of those to tell from others; none: no language is looked for.
        deduplicate: whether copies will be looked for.
    """

    documents: str = "blank"
    encoding_errors: str = "strict"
    exact: bool = False
    languages: tuple[str, ...] = ()
    deduplicate: bool = False


class PartMaker:
    """Makes parts, one after the other."""

    def __init__(self, tokenizer: Tokenizer, reading: Reading):
        self._tokenizer = tokenizer
        self._reading = reading
        self._language = LanguageFilter(reading.languages) if reading.languages else None

    def make(self, path: Path, shard: Sequence[Segment], on_read: Callable[[int], None] | None = None) -> None:
        """Tokenize a shard into the part `path`, in memory that does not grow with the shard."""
        reading = self._reading
        sentences = read_segments(
            shard,
            documents=reading.documents,
            encoding_errors=reading.encoding_errors,
            exact=reading.exact,
            on_read=on_read,
        )
        with PartWriter(path) as part:
            table = _DocumentTable(part, self._tokenizer, self._language, deduplicate=reading.deduplicate)
            for batch in _tokenized(sentences, self._tokenizer):
                table.add(batch)
            table.finish()


class _Tokenized(NamedTuple):
    texts: list[str]
    token_ids: list[np.ndarray]
    starts_document: list[bool]


def _tokenized(sentences: Iterator[Sentence], tokenizer: Tokenizer) -> Iterator[_Tokenized]:
    """Yield batches without sentences that have no tokens."""
    starts_document = False
    for batch in _batches(sentences):
        kept = _Tokenized([], [], [])
        for sentence, token_ids in zip(batch, tokenizer.encode_ids([sentence.text for sentence in batch]), strict=True):
            starts_document |= sentence.starts_document  # the flag of a dropped sentence passes to the next
            if len(token_ids):
                kept.texts.append(sentence.text)
                kept.token_ids.append(token_ids)
                kept.starts_document.append(starts_document)
                starts_document = False
        if kept.texts:
            yield kept


def _batches(sentences: Iterator[Sentence]) -> Iterator[list[Sentence]]:
    batch: list[Sentence] = []
    num_characters = 0
    for sentence in sentences:
        batch.append(sentence)
        num_characters += len(sentence.text)
        if len(batch) == BATCH_SENTENCES or num_characters > BATCH_CHARACTERS:
            yield batch
            batch, num_characters = [], 0
    if batch:
        yield batch


@dataclass
class _Document:
    """A document as far as it was read."""

    num_sentences: int = 0
    num_tokens: int = 0
    num_words: int = 0
    sample: str = ""
    last_words: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    minimum: np.ndarray | None = None
    digest: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=8))


class _DocumentTable:
    """Writes tokens as they come, and a row per document as soon as it ends."""

    def __init__(self, part: PartWriter, tokenizer: Tokenizer, language: LanguageFilter | None, *, deduplicate: bool):
        self._part = part
        self._starts_word = tokenizer.word_start
        self._language = language
        self._deduplicate = deduplicate
        self._open: _Document | None = None
        self._rows: list[tuple[int, int, int, bool, bool]] = []
        self._minima: list[np.ndarray] = []

    def add(self, batch: _Tokenized) -> None:
        token_ids = np.concatenate(batch.token_ids)
        lengths = np.array([len(ids) for ids in batch.token_ids])
        self._part.add(parts.TOKENS, token_ids)
        self._part.add(parts.LENGTHS, lengths)
        begins = np.flatnonzero(batch.starts_document).tolist()
        if not begins or begins[0]:  # the batch goes on with the document of the last one
            begins.insert(0, 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        bounds = offsets[[*begins, len(lengths)]]
        hashes = self._hashes(token_ids, offsets, bounds, batch) if self._deduplicate else None
        for number, (begin, end) in enumerate(zip(begins, [*begins[1:], len(lengths)], strict=True)):
            if self._open is None or batch.starts_document[begin]:
                self._close()
                self._open = _Document()
            document = self._open
            document.num_sentences += end - begin
            document.num_tokens += int(bounds[number + 1] - bounds[number])
            if self._language is not None:
                self._extend_sample(document, batch.texts[begin:end])
            if hashes is not None:
                document.digest.update(token_ids[bounds[number] : bounds[number + 1]].data)
                hashes.extend(document, number)
        self._write_rows()

    def finish(self) -> None:
        self._close()
        self._write_rows()

    def _hashes(self, token_ids: np.ndarray, offsets: np.ndarray, bounds: np.ndarray, batch: _Tokenized) -> _Stretches:
        starts_word = self._starts_word[token_ids]
        starts_word[offsets[:-1]] = True
        goes_on = self._open is not None and not batch.starts_document[0]
        before = self._open.last_words if self._open is not None and goes_on else np.zeros(0, np.uint64)
        words_until = np.concatenate([[0], np.cumsum(starts_word)])[bounds]
        return _Stretches(word_hashes(token_ids, starts_word), words_until, before, goes_on=goes_on)

    def _extend_sample(self, document: _Document, texts: list[str]) -> None:
        for text in texts:
            if len(document.sample) >= SAMPLE_CHARACTERS:
                return
            document.sample += text[:SAMPLE_CHARACTERS] + " "

    def _close(self) -> None:
        document = self._open
        if document is None:
            return
        has_signature = document.minimum is not None and document.num_words >= MINIMUM_WORDS
        if document.minimum is not None and has_signature:
            self._minima.append(document.minimum)
        digest = int.from_bytes(document.digest.digest(), "little")
        in_language = self._language is None or self._language.accepts(document.sample)
        self._rows.append((document.num_sentences, document.num_tokens, digest, in_language, has_signature))
        self._open = None

    def _write_rows(self) -> None:
        self._part.add(parts.DOCUMENTS, np.array(self._rows, parts.DOCUMENT_DTYPE))
        if self._minima:
            self._part.add(parts.SIGNATURES, signature(np.stack(self._minima)))
        self._rows, self._minima = [], []


class _Stretches:
    """The word hashes of a batch, by document; only documents that need a signature get minima."""

    def __init__(self, words: np.ndarray, words_until: np.ndarray, before: np.ndarray, *, goes_on: bool):
        self._words = np.concatenate([before, words])
        self._counts = np.diff(words_until)
        bounds = np.stack([words_until[:-1], words_until[1:]], 1) + len(before)
        bounds[0, 0] = 0
        wanted = self._counts >= MINIMUM_WORDS
        wanted[0] |= goes_on
        wanted[-1] = True  # it may go on
        self._bounds = bounds
        self._place = np.cumsum(wanted) - 1
        self._wanted = wanted
        self._minima = minima(self._words, bounds[wanted])

    def extend(self, document: _Document, number: int) -> None:
        """Take a stretch of the batch into the document it belongs to."""
        document.num_words += int(self._counts[number])
        if self._wanted[number]:
            minimum = self._minima[self._place[number]]
            document.minimum = minimum if document.minimum is None else np.minimum(document.minimum, minimum)
            begin, end = self._bounds[number]
            document.last_words = self._words[max(begin, end - (WORDS - 1)) : end]
