"""Texts without labels, which a teacher judges."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kerastx.data.tables import lines, read_text_file
from kerastx.errors import DataError
from kerastx.text.sentences import split_sentences
from kerastx.text.tokenizer import Tokenizer

_TEXTS_AT_ONCE = 4096


def read_unlabelled(path: str | os.PathLike[str], tokenizer: Tokenizer, *, max_length: int) -> list[str]:
    """Read a text from each line of a UTF-8 file; longer ones than max_length tokens are cut into their sentences.

    A sentence that is longer still is cut when it is encoded, as every text is. Blank lines and texts that occurred
    before are left out.

    Raises:
        DataError: the file is a table, missing, not UTF-8, or empty.
    """
    file = Path(path)
    if file.suffix.lower() in (".tsv", ".csv", ".jsonl"):
        raise DataError(f"{file}: expected a text on each line of a .txt file, got a {file.suffix} file")
    texts = list(dict.fromkeys(line.strip() for _, line in lines(read_text_file(file))))
    if not texts:
        raise DataError(f"{file}: expected texts, got an empty file")
    lengths = _lengths(texts, tokenizer)
    parts = (
        [text] if length <= max_length else split_sentences(text) for text, length in zip(texts, lengths, strict=True)
    )
    return list(dict.fromkeys(part for some in parts for part in some))


def _lengths(texts: list[str], tokenizer: Tokenizer) -> Iterator[int]:
    """Yield the tokens of each text, special ones included; only some thousand texts are encoded at a time."""
    special = tokenizer.template.num_special(is_pair=False)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        for ids in tokenizer.encode_ids(texts[start : start + _TEXTS_AT_ONCE]):
            yield len(ids) + special
