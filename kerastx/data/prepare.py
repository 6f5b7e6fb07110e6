"""Corpus -> token store: the only way of text into pretraining."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from kerastx.data.corpus import Sentence, list_files, read_sentences
from kerastx.data.store import TokenStore, check_output, write_store
from kerastx.text.tokenizer import Tokenizer

BATCH_SENTENCES = 2000  # enough to keep all cores busy
BATCH_CHARACTERS = 500_000
Progress = Callable[[str, int, int], None]


def prepare(
    paths: Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    vocabulary_size: int | None = None,
    tokenizer: Tokenizer | None = None,
    documents: str = "blank",
    lowercase: bool = True,
    encoding_errors: str = "strict",
    force: bool = False,
    progress: Progress | None = None,
) -> TokenStore:
    """Tokenize text files into a token store, in memory that does not grow with them.

    Args:
        paths: text files, and folders whose .txt and .md files are meant.
        output: the folder to make.
        vocabulary_size: train a tokenizer of this size on the corpus.
        tokenizer: or use this one.
        documents: where a document starts: "blank", "file" or "heading"; see `read_sentences`.
        lowercase: of the tokenizer to train.
        encoding_errors: "strict" or "replace"; see `read_sentences`.
        force: replace a token store that exists.
        progress: called with the phase ("characters", "vocabulary", "tokens") and its bytes, done and in all.
    """
    if tokenizer is not None and vocabulary_size is not None:
        raise ValueError("prepare takes either vocabulary_size or tokenizer, got both.")
    check_output(output, force=force)
    files = list_files(paths)

    def read(phase: str) -> Iterator[Sentence]:
        total = sum(file.size_bytes for file in files)
        on_read = None if progress is None else lambda done: progress(phase, done, total)
        return read_sentences(files, documents=documents, encoding_errors=encoding_errors, on_read=on_read)

    if tokenizer is None:
        if vocabulary_size is None:
            raise ValueError("prepare takes either vocabulary_size or tokenizer, got neither.")
        texts = _Texts(read, iter(("characters", "vocabulary")))
        tokenizer = Tokenizer.train(texts, vocabulary_size=vocabulary_size, lowercase=lowercase)
    return write_store(
        output,
        _tokenized(read("tokens"), tokenizer),
        tokenizer=tokenizer,
        documents=documents,
        sources=files,
        force=force,
    )


class _Texts:
    """The corpus as `Tokenizer.train` reads it: once per phase."""

    def __init__(self, read: Callable[[str], Iterator[Sentence]], phases: Iterator[str]):
        self._read = read
        self._phases = phases

    def __iter__(self) -> Iterator[str]:
        return (sentence.text for sentence in self._read(next(self._phases)))


def _tokenized(sentences: Iterator[Sentence], tokenizer: Tokenizer) -> Iterator[tuple[list[np.ndarray], list[bool]]]:
    """Yield batches of (token ids, starts a document), without sentences that have no tokens."""
    starts_document = False
    for batch in _batches(sentences):
        kept: list[np.ndarray] = []
        starts: list[bool] = []
        for sentence, token_ids in zip(batch, tokenizer.encode_ids([sentence.text for sentence in batch]), strict=True):
            starts_document |= sentence.starts_document  # the flag of a dropped sentence passes to the next
            if len(token_ids):
                kept.append(token_ids)
                starts.append(starts_document)
                starts_document = False
        if kept:
            yield kept, starts


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
