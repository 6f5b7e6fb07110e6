"""Held text and pairs of texts -> the rows that a model that writes is measured on, the same for Keras and a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerastx.data.held_text import HeldText
from kerastx.data.text_pairs import TextPairs
from kerastx.errors import DataError, MissingExtraError
from kerastx.runtime.generation import Vocabularies
from kerastx.runtime.text_probabilities import Row
from kerastx.text.encoding import TextEncoder


@dataclass(frozen=True, eq=False)
class HeldRows:
    """Rows to score.

    Attributes:
        rows: what is read at once.
        num_bytes: of the UTF-8 text that the scored tokens stand for; 0 where nobody counts them.
    """

    rows: list[Row]
    num_bytes: int = 0

    @property
    def num_tokens(self) -> int:
        return sum(row.scored for row in self.rows)


def text_rows(vocabularies: Vocabularies, text: HeldText, *, limit: int | None = None) -> HeldRows:
    """Cut documents into windows of the length that the model was trained with; each token is scored once.

    A window opens with what every text begins with. One that goes on in a document then has the last token of the
    window before it, which is read only: so nothing is scored that nothing foretells, as in pretraining.

    Args:
        vocabularies: of a language model.
        text: the documents.
        limit: the most windows, the first ones.

    Raises:
        DataError: the text has no tokens.
        MissingExtraError: the tokenizers library is not installed.
    """
    tokenizer = vocabularies.tokenizer
    if not isinstance(tokenizer, TextEncoder):  # which tells where in the text a token stands
        raise MissingExtraError("tokenizers", "tokenizers")
    begin = np.array(tokenizer.begin_ids, np.int32)
    # The last token is not read, so that a row has one more than the model has places.
    length = vocabularies.max_length - len(begin) + 1
    rows: list[Row] = []
    num_bytes = 0
    for lines in text.documents:
        token_ids, sizes = _tokens_of(tokenizer, lines)
        for start in range(0, max(len(token_ids) - 1, min(len(token_ids), 1)), length - 1):
            if len(rows) == limit:
                return HeldRows(rows, num_bytes)
            window = slice(start, start + length)
            scored = len(token_ids[window]) - (start > 0)
            rows.append(Row(np.concatenate([begin, token_ids[window]]), scored))
            num_bytes += int(sizes[window][-scored:].sum())
    if not rows:
        raise DataError("the held text has no tokens in this model's vocabulary")
    return HeldRows(rows, num_bytes)


def _tokens_of(tokenizer: TextEncoder, lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of a document, int32 (L,), and the bytes of each, int64 (L,), with blanks before it."""
    before = len(tokenizer.template.before)
    after = tokenizer.template.num_special(is_pair=False) - before
    tokens, sizes = [], []
    left_over = 0
    for line, encoding in zip(lines, tokenizer.encode_batch(lines), strict=True):
        inside = slice(before, len(encoding) - after)
        # Behind each character the bytes of all up to it; a token of half a character counts for none.
        ends = np.cumsum([0, *(len(character.encode("utf-8", "replace")) for character in line)])
        until = ends[encoding.offsets[inside, 1]]
        size = np.diff(until, prepend=0)
        if len(size):
            size[0] += left_over
            size[-1] += ends[-1] - until[-1]
        left_over = 0 if len(size) else left_over + int(ends[-1])
        tokens.append(encoding.token_ids[inside])
        sizes.append(size)
    found = np.concatenate(sizes)
    if len(found):
        found[-1] += left_over
    return np.concatenate(tokens).astype(np.int32), found


def pair_rows(vocabularies: Vocabularies, pairs: TextPairs) -> HeldRows:
    """Return the targets, with their ends, given their sources; both are cut as training cuts them.

    Args:
        vocabularies: of an encoder-decoder.
        pairs: the texts.
    """
    tokenizer = vocabularies.tokenizer
    begin, end = tokenizer.begin_ids, tokenizer.end_ids[:1]
    room = vocabularies.max_length - len(begin) - 1
    sources = vocabularies.encoder.encode_batch(pairs.sources, max_length=vocabularies.max_length)
    return HeldRows(
        [
            Row(np.concatenate([begin, ids[:room], end]).astype(np.int32), min(len(ids), room) + len(end), source)
            for ids, source in zip(tokenizer.encode_ids(pairs.targets), sources, strict=True)
        ]
    )
