"""The token store: a corpus as memory-mapped token ids with sentence and document offsets."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerastx.data.corpus import CorpusFile
from kerastx.errors import DataError
from kerastx.text.tokenizer import Tokenizer

FORMAT = "kerastx-store"
VERSION = 1
MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
TOKENS, SENTENCES, DOCUMENTS = "tokens.bin", "sentences.bin", "documents.bin"
FILES = (TOKENS, SENTENCES, DOCUMENTS, TOKENIZER)
_OFFSETS = np.dtype("<i8")
_BLOCK_BYTES = 1 << 22
PARTIAL, REPLACED = ".partial", ".replaced"  # endings of folders that only a killed process leaves

COUNT_CHUNK = 1 << 24  # tokens counted at once: bounded memory


@dataclass(frozen=True, eq=False)
class TokenStore:
    """An open token store.

    Attributes:
        path: its folder.
        tokenizer: the tokenizer whose ids it holds.
        tokens: uint16 or uint32, (num_tokens,); all sentences one after another, without special tokens.
        sentences: int64, (num_sentences + 1,); sentence i is tokens[sentences[i]:sentences[i + 1]], never empty.
        documents: int64, (num_documents + 1,); document i is sentences documents[i] to documents[i + 1] - 1.
        manifest: the content of manifest.json.
        sha256: a hash over all of it, the "data hash" of a training run.
    """

    path: Path
    tokenizer: Tokenizer
    tokens: np.ndarray
    sentences: np.ndarray
    documents: np.ndarray
    manifest: dict[str, Any]
    sha256: str

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)

    @property
    def num_sentences(self) -> int:
        return len(self.sentences) - 1

    @property
    def num_documents(self) -> int:
        return len(self.documents) - 1

    @property
    def unigram_entropy(self) -> float:
        """Nats per token: the loss of a model that knows the frequency of each token and nothing else."""
        return self.manifest["unigram_entropy"]

    def token_counts(self) -> np.ndarray:
        """Return how often each token stands in the store, int64, (V,)."""
        size = self.tokenizer.vocabulary_size
        parts = (self.tokens[start : start + COUNT_CHUNK] for start in range(0, self.num_tokens, COUNT_CHUNK))
        return sum((np.bincount(part, minlength=size) for part in parts), np.zeros(size, np.int64))

    def token_vectors(self, hidden_dim: int, *, seed: int = 1) -> np.ndarray:
        """Return float32 (V, D): like vectors for tokens with like neighbours; see `cooccurrence_vectors`."""
        from kerastx.data.cooccurrence import cooccurrence_vectors

        return cooccurrence_vectors(self, hidden_dim, seed=seed)


class Batch(NamedTuple):
    """Some sentences of a store, in order.

    Attributes:
        token_ids: int, (T,); one sentence after the other.
        lengths: int, (N,); tokens of each, at least one.
        starts_document: bool, (N,).
    """

    token_ids: np.ndarray
    lengths: np.ndarray
    starts_document: np.ndarray


def write_store(
    path: str | os.PathLike[str],
    sentences: Iterable[tuple[Sequence[np.ndarray], Sequence[bool]]],
    *,
    tokenizer: Tokenizer,
    documents: str,
    sources: Sequence[CorpusFile],
    force: bool = False,
) -> TokenStore:
    """Write a token store from batches of (token ids of each sentence, whether it starts a document)."""
    batches = (
        Batch(np.concatenate(batch), np.array([len(sentence) for sentence in batch]), np.array(starts))
        for batch, starts in sentences
    )
    return write_batches(path, batches, tokenizer=tokenizer, documents=documents, sources=sources, force=force)


def write_batches(
    path: str | os.PathLike[str],
    batches: Iterable[Batch],
    *,
    tokenizer: Tokenizer,
    documents: str,
    exact: bool = False,
    sources: Sequence[CorpusFile],
    filters: Mapping[str, Any] | None = None,
    removed: Mapping[str, Any] | None = None,
    force: bool = False,
    before_move: Callable[[Path], None] | None = None,
) -> TokenStore:
    """Write a token store and open it; nothing is left behind when that fails.

    Args:
        path: the folder to make.
        batches: the sentences.
        tokenizer: where the ids come from.
        documents: how documents were told apart, for the manifest.
        exact: whether line ends and blanks were kept, for the manifest.
        sources: the files the text came from, for the manifest.
        filters: which documents were wanted, for the manifest.
        removed: how many were left out, for the manifest.
        force: replace a token store that exists.
        before_move: called with the finished store before it gets its name.
    """
    target = Path(path)
    check_output(target, force=force)
    about = {
        "documents_mode": documents,
        "exact": exact,
        "filters": dict(filters or {}),
        "removed": dict(removed or {}),
        "sources": [{"name": file.path.name, "size_bytes": file.size_bytes} for file in sources],
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=PARTIAL, dir=target.parent))
        try:
            if not _write_files(temporary, batches, tokenizer=tokenizer, about=about):
                names = ", ".join(str(file.path) for file in sources[:3])
                raise DataError(f"the corpus is empty: no text was found in {names}")
            temporary.chmod(0o755)
            if before_move is not None:
                before_move(temporary)
            _move(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{target}: the token store cannot be written: {error.strerror}") from error
    return open_store(target, verify=False)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove what a killed `write_batches` left; a store that was about to be replaced comes back."""
    target = Path(path)
    ours = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}({re.escape(PARTIAL)}|{re.escape(REPLACED)})")
    for left in sorted(target.parent.iterdir()) if target.parent.is_dir() else ():
        if match := ours.fullmatch(left.name):
            if match[1] == REPLACED and not os.path.lexists(target):
                left.rename(target)
            else:
                shutil.rmtree(left, ignore_errors=True)


def check_output(path: str | os.PathLike[str], *, force: bool) -> None:
    """Raise DataError where `write_store` would not be allowed to write."""
    target = Path(path)
    if not os.path.lexists(target):
        return
    if not force:
        raise DataError(f"{target}: exists already; choose another output or pass --force to replace it")
    if not _is_store(target):
        raise DataError(f"{target}: is not a kerastx token store and will not be replaced; choose another output")


def open_store(path: str | os.PathLike[str], *, verify: bool = True) -> TokenStore:
    """Open a token store; DataError for a folder that is not one, or is incomplete or altered.

    Args:
        path: the folder that `write_store` made.
        verify: also read every file once and compare its SHA-256.
    """
    folder = Path(path)
    manifest = _read_manifest(folder)
    try:
        return _open(folder, manifest, verify=verify)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error


def _open(folder: Path, manifest: dict[str, Any], *, verify: bool) -> TokenStore:
    for name in FILES if verify else ():
        if _file_sha256(folder / name) != manifest["files"][name]["sha256"]:
            raise DataError(f"{folder / name}: was altered after it was written; prepare the store again")
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    tokens = _mapped(folder / TOKENS, _token_dtype(tokenizer.vocabulary_size))
    sentences = _mapped(folder / SENTENCES, _OFFSETS)
    documents = _mapped(folder / DOCUMENTS, _OFFSETS)
    _check_offsets(folder / SENTENCES, sentences, len(tokens))
    _check_offsets(folder / DOCUMENTS, documents, len(sentences) - 1)
    if verify and max(int(block.max()) for block in _blocks(tokens)) >= tokenizer.vocabulary_size:
        raise DataError(f"{folder / TOKENS}: holds ids outside the vocabulary of {tokenizer.vocabulary_size} tokens")
    return TokenStore(folder, tokenizer, tokens, sentences, documents, manifest, _data_hash(manifest["files"]))


def _mapped(file: Path, dtype: np.dtype) -> np.ndarray:
    size_bytes = file.stat().st_size
    if not size_bytes or size_bytes % dtype.itemsize:
        raise DataError(f"{file}: expected values of {dtype.itemsize} bytes, got {size_bytes:,} bytes in all")
    # A plain view: indexing a memmap object costs several times as much.
    return np.memmap(file, dtype, "r").view(np.ndarray)


def _write_files(folder: Path, batches: Iterable[Batch], *, tokenizer: Tokenizer, about: dict[str, Any]) -> bool:
    """Write all files of a store; False where there is nothing to write."""
    token_counts = np.zeros(tokenizer.vocabulary_size, np.int64)
    dtype = _token_dtype(tokenizer.vocabulary_size)
    num_tokens = num_sentences = num_documents = 0
    with (
        (folder / TOKENS).open("wb") as tokens,
        (folder / SENTENCES).open("wb") as ends,
        (folder / DOCUMENTS).open("wb") as starts,
    ):
        for token_ids, lengths, starts_document in batches:
            first = num_tokens + np.cumsum(lengths, dtype=np.int64) - lengths
            begins = num_sentences + np.flatnonzero(starts_document)
            tokens.write(token_ids.astype(dtype).tobytes())
            ends.write(first.astype(_OFFSETS).tobytes())
            starts.write(begins.astype(_OFFSETS).tobytes())
            token_counts += np.bincount(token_ids, minlength=len(token_counts))
            num_tokens, num_sentences = num_tokens + len(token_ids), num_sentences + len(lengths)
            num_documents += len(begins)
        ends.write(np.array([num_tokens], _OFFSETS).tobytes())
        starts.write(np.array([num_sentences], _OFFSETS).tobytes())
    if not num_tokens:
        return False
    tokenizer.save(folder / TOKENIZER)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        **about,
        "num_documents": num_documents,
        "num_sentences": num_sentences,
        "num_tokens": num_tokens,
        "num_unknown_tokens": int(token_counts[tokenizer.unknown_id]),
        "vocabulary_size": tokenizer.vocabulary_size,
        "unigram_entropy": _entropy(token_counts),
        "files": {
            name: {"size_bytes": (folder / name).stat().st_size, "sha256": _file_sha256(folder / name)}
            for name in FILES
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return True


def _move(temporary: Path, target: Path) -> None:
    if not os.path.lexists(target):
        temporary.rename(target)
        return
    old = temporary.with_suffix(REPLACED)
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def _is_store(path: Path) -> bool:
    if not path.is_dir():
        return False
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not folder.exists():
        raise DataError(f"{folder}: there is no such token store; make one with kerastx prepare")
    if not _is_store(folder):
        raise DataError(f"{folder}: is not a kerastx token store; make one with kerastx prepare")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if manifest.get("version") != VERSION:
        raise DataError(f"{folder}: expected a token store of version {VERSION}, got {manifest.get('version')!r}")
    try:
        sizes = {name: int(manifest["files"][name]["size_bytes"]) for name in FILES}
        altered = not all(isinstance(manifest["files"][name]["sha256"], str) for name in FILES)
        altered = altered or not isinstance(manifest["unigram_entropy"], float)
    except (KeyError, TypeError, ValueError):
        altered = True
    if altered:
        raise DataError(f"{folder / MANIFEST}: was altered after it was written; prepare the store again")
    for name, size_bytes in sizes.items():
        file = folder / name
        found = file.stat().st_size if file.is_file() else None
        if found != size_bytes:
            got = "no file" if found is None else f"{found:,}"
            raise DataError(f"{file}: expected {size_bytes:,} bytes, got {got}; prepare the store again")
    return manifest


def _check_offsets(file: Path, offsets: np.ndarray, total: int) -> None:
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != total:
        raise DataError(f"{file}: the offsets do not run from 0 to {total}; prepare the store again")
    for block in _blocks(offsets, overlap=1):
        if not (block[1:] > block[:-1]).all():
            raise DataError(f"{file}: the offsets do not increase; prepare the store again")


def _blocks(array: np.ndarray, *, overlap: int = 0) -> Iterator[np.ndarray]:
    """Yield slices of a mapped array that are small enough to be copied."""
    length = _BLOCK_BYTES // array.itemsize
    for start in range(0, max(len(array) - overlap, 1), length):
        yield array[start : start + length + overlap]


def _entropy(counts: np.ndarray) -> float:
    probabilities = counts[counts > 0] / counts.sum()
    return float(-(probabilities * np.log(probabilities)).sum())


def _token_dtype(vocabulary_size: int) -> np.dtype:
    return np.dtype("<u2") if vocabulary_size <= 1 << 16 else np.dtype("<u4")


def _file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _data_hash(files: dict[str, dict[str, Any]]) -> str:
    lines = "".join(f"{name} {files[name]['sha256']}\n" for name in sorted(FILES))
    return hashlib.sha256(lines.encode()).hexdigest()
