"""Texts without labels, which a teacher judges."""

from __future__ import annotations

import os
from pathlib import Path

from kerastx.data.tables import lines, read_text_file
from kerastx.errors import DataError
from kerastx.text.sentences import split_sentences
from kerastx.text.tokenizer import Tokenizer


def read_unlabelled(path: str | os.PathLike[str], tokenizer: Tokenizer, *, max_length: int) -> list[str]:
    """Read a text from each line of a UTF-8 file; longer ones than max_length tokens are cut into their sentences.

    Blank lines and texts that occurred before are left out.

    Raises:
        DataError: the file is a table, missing, not UTF-8, or empty.
    """
    file = Path(path)
    if file.suffix.lower() in (".tsv", ".csv", ".jsonl"):
        raise DataError(f"{file}: expected a text on each line of a .txt file, got a {file.suffix} file")
    texts = list(dict.fromkeys(line.strip() for _, line in lines(read_text_file(file))))
    if not texts:
        raise DataError(f"{file}: expected texts, got an empty file")
    lengths = map(len, tokenizer.encode_batch(texts))
    parts = (
        [text] if length <= max_length else split_sentences(text) for text, length in zip(texts, lengths, strict=True)
    )
    return list(dict.fromkeys(part for some in parts for part in some))
