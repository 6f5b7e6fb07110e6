"""Corpus -> token store: the only way of text into pretraining.

The corpus is cut into shards, processes tokenize each into a part, and the parts become the store. What is in the
store depends on the corpus and the settings, not on the number of processes, nor on how often the work was killed.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kerastx import __version__
from kerastx.data import shards
from kerastx.data.corpus import CorpusFile, check_reading, list_files, read_segments
from kerastx.data.documents import Reading
from kerastx.data.filters import Filters, select, selected_batches
from kerastx.data.language import LanguageFilter
from kerastx.data.parts import is_whole
from kerastx.data.shards import plan_shards, sample_segments
from kerastx.data.store import TokenStore, check_output, open_store, remove_leftovers, write_batches
from kerastx.data.work_folder import WorkFolder, has_made
from kerastx.data.workers import InterruptedWorkError, make_parts, num_cores
from kerastx.errors import DataError
from kerastx.text.tokenizer import Tokenizer, check_training

VOCABULARY_MEGABYTES = 100
Progress = Callable[[str, int, int], None]


def prepare(
    paths: Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    vocabulary_size: int | None = None,
    kind: str = "wordpiece",
    tokenizer: Tokenizer | None = None,
    documents: str = "blank",
    exact: bool | None = None,
    lowercase: bool | None = None,
    encoding_errors: str = "strict",
    min_tokens: int | None = None,
    max_tokens: int | None = None,
    languages: Sequence[str] = (),
    deduplicate: bool = False,
    vocabulary_megabytes: int = VOCABULARY_MEGABYTES,
    workers: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> TokenStore:
    """Tokenize text files into a token store, in memory that does not grow with them.

    A run that was killed goes on when it is called again with the same corpus and settings. The store is the same,
    byte for byte, whatever the number of processes and of interruptions.

    Args:
        paths: text files, and folders whose .txt and .md files are meant.
        output: the folder to make.
        vocabulary_size: train a tokenizer of this size on the corpus.
        kind: of that tokenizer: "wordpiece", "byte_bpe" or "characters"; see `Tokenizer.train`.
        tokenizer: or use this one.
        documents: where a document starts: "blank", "file" or "heading"; see `read_sentences`.
        exact: keep line ends and blanks, for models that write, and do not look for sentences; None = for a tokenizer
            that is trained and is no "wordpiece".
        lowercase: of the tokenizer to train; see `Tokenizer.train`.
        encoding_errors: "strict" or "replace"; see `read_sentences`.
        min_tokens: leave shorter documents out.
        max_tokens: leave longer documents out.
        languages: leave documents in other languages out; ISO 639 codes, needs `kerastx[language]`.
        deduplicate: leave out copies and near-copies of earlier documents; see `near_duplicates`.
        vocabulary_megabytes: train on an even sample of so much text where the corpus is larger.
        workers: processes to work with; the number of cores otherwise.
        force: replace a token store that exists.
        progress: called with the phase ("characters", "vocabulary", "tokens") and its bytes, done and in all.
        say: called with a line for people where an earlier run is continued or given up.
    """
    _check(vocabulary_size, tokenizer, vocabulary_megabytes, workers)
    check_reading(documents, encoding_errors)
    filters = Filters(min_tokens=min_tokens, max_tokens=max_tokens, languages=tuple(languages), deduplicate=deduplicate)
    reading = Reading(
        documents=documents,
        encoding_errors=encoding_errors,
        exact=tokenizer is None and kind != "wordpiece" if exact is None else exact,
        languages=filters.languages,
        deduplicate=deduplicate,
    )
    files = list_files(paths)
    if vocabulary_size is not None:
        check_training(kind, vocabulary_size, lowercase)
    training: dict[str, Any] = {"tokenizer": tokenizer and tokenizer.sha256}
    if tokenizer is None:
        wish = {"vocabulary_size": vocabulary_size, "kind": kind, "lowercase": lowercase}
        training = {**wish, "megabytes": vocabulary_megabytes}
    fingerprint = _fingerprint(files)
    key = {"files": fingerprint, "reading": asdict(reading), "filters": filters.to_dict(), **training}
    run = _Run(
        files, fingerprint, reading, filters, training, workers or num_cores(), progress or _silent, say or _silent
    )
    return _make(run, output, key | _versions(), tokenizer, force=force)


def _make(
    run: _Run, output: str | os.PathLike[str], key: dict[str, Any], tokenizer: Tokenizer | None, *, force: bool
) -> TokenStore:
    finished = not force and has_made(output, key)
    if not finished:
        check_output(output, force=force)
    # A missing extra is told before anything is written.
    language = LanguageFilter(run.filters.languages) if run.filters.languages else None
    try:
        with WorkFolder(output, key, run.say) as work:
            remove_leftovers(output)
            if finished:
                store = open_store(output)
            else:
                check_output(output, force=force)  # a store that was about to be replaced may have come back
                store = _work(run, work, output, tokenizer, language, force=force)
            work.remove()
        return store
    except OSError as error:
        raise DataError(f"{output}: the token store cannot be written: {error.strerror}") from error


def _work(
    run: _Run,
    work: WorkFolder,
    output: str | os.PathLike[str],
    tokenizer: Tokenizer | None,
    language: LanguageFilter | None,
    *,
    force: bool,
) -> TokenStore:
    """Train and tokenize; what was done is kept unless the corpus is at fault and has to change."""
    try:
        if tokenizer is None:
            tokenizer = run.tokenizer(work, language)
        return run.store(work, output, tokenizer, force=force)
    except InterruptedWorkError:
        raise
    except DataError as error:
        if not isinstance(error.__cause__, OSError):
            work.remove()
        raise


@dataclass(frozen=True)
class _Run:
    files: Sequence[CorpusFile]
    fingerprint: Sequence[tuple[str, int, int]]
    reading: Reading
    filters: Filters
    training: dict[str, Any]
    workers: int
    progress: Progress
    say: Callable[[str], None]

    def tokenizer(self, work: WorkFolder, language: LanguageFilter | None) -> Tokenizer:
        """Return the tokenizer that an earlier run has trained, or train it."""
        if kept := work.load_tokenizer():
            return kept
        training = self.training
        texts = _Texts(self, language, training["megabytes"] * 1_000_000)
        wish = {name: training[name] for name in ("vocabulary_size", "kind", "lowercase")}
        return Tokenizer.train(texts, **wish)

    def store(
        self, work: WorkFolder, output: str | os.PathLike[str], tokenizer: Tokenizer, *, force: bool
    ) -> TokenStore:
        """Make the parts that are not there yet, and the store of them."""
        tokenizer_file = work.keep_tokenizer(tokenizer)
        plan = plan_shards(self.files, self.reading.documents)
        paths = [work.part(number) for number in range(len(plan))]
        jobs = [(path, shard) for path, shard in zip(paths, plan, strict=True) if not is_whole(path)]
        if work.resumed:
            self.say(f"{output}: continuing an unfinished run; {len(paths) - len(jobs)} of {len(paths)} parts are done")
        total = sum(file.size_bytes for file in self.files)
        done = total - sum(segment.end - segment.start for _, shard in jobs for segment in shard)
        make_parts(
            jobs,
            tokenizer_file,
            self.reading,
            workers=self.workers,
            on_read=lambda read: self.progress("tokens", done + read, total),
        )
        self.progress("tokens", total, total)
        self._check_unchanged()
        selection = select(paths, self.filters, tokenizer.word_start)
        if selection.removed and not selection.num_kept:
            reasons = ", ".join(f"{count['documents']:,} {name}" for name, count in selection.removed.items())
            raise DataError(f"no document of the corpus is left: {reasons.replace('_', ' ')}")
        return write_batches(
            output,
            selected_batches(paths, selection),
            tokenizer=tokenizer,
            documents=self.reading.documents,
            exact=self.reading.exact,
            sources=self.files,
            filters=self.filters.to_dict(),
            removed=selection.removed,
            force=force,
            before_move=work.note_result,
        )

    def _check_unchanged(self) -> None:
        for file, before, now in zip(self.files, self.fingerprint, _fingerprint(self.files), strict=True):
            if now != before:
                raise DataError(f"{file.path}: was changed while it was read; prepare it again")


class _Texts:
    """The corpus, or a sample of it, as `Tokenizer.train` reads it: once per phase."""

    def __init__(self, run: _Run, language: LanguageFilter | None, size_bytes: int):
        self._run = run
        self._language = language
        self._segments = sample_segments(run.files, size_bytes)
        self._total = sum(segment.end - segment.start for segment in self._segments)
        self._phases = iter(("characters", "vocabulary"))

    def __iter__(self) -> Iterator[str]:
        phase, reading = next(self._phases), self._run.reading
        sentences = read_segments(
            self._segments,
            documents=reading.documents,
            encoding_errors=reading.encoding_errors,
            exact=reading.exact,
            on_read=lambda done: self._run.progress(phase, done, self._total),
        )
        if self._language is not None:
            sentences = self._language.only(sentences)
        return (sentence.text for sentence in sentences)


def _check(
    vocabulary_size: int | None, tokenizer: Tokenizer | None, vocabulary_megabytes: int, workers: int | None
) -> None:
    if tokenizer is not None and vocabulary_size is not None:
        raise ValueError("prepare takes either vocabulary_size or tokenizer, got both.")
    if tokenizer is None and vocabulary_size is None:
        raise ValueError("prepare takes either vocabulary_size or tokenizer, got neither.")
    if vocabulary_megabytes < 1:
        raise ValueError(f"vocabulary_megabytes must be at least 1, got {vocabulary_megabytes}.")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")


def _fingerprint(files: Sequence[CorpusFile]) -> list[tuple[str, int, int]]:
    """Return path, size and time of change of each file."""
    found = []
    for file in files:
        try:
            status = file.path.stat()
        except OSError as error:
            raise DataError(f"{file.path}: cannot be read: {error.strerror}") from error
        found.append((os.fspath(file.path.absolute()), status.st_size, status.st_mtime_ns))
    return found


def _versions() -> dict[str, Any]:
    """Return what else decides about the content of a part."""
    return {
        "kerastx": __version__,
        "tokenizers": importlib.metadata.version("tokenizers"),
        "shard_bytes": shards.SHARD_BYTES,
    }


def _silent(*_: object) -> None:
    pass
