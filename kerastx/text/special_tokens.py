"""Which tokens of a tokenizer pad, mask, open and close, and where its template puts them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

import tokenizers
from tokenizers import AddedToken, models, processors

from kerastx.errors import DataError
from kerastx.text.template import Slot, Template

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"

# More words to try are taken from the vocabulary where it has none of these.
_PROBES = ("a", "e", "the", "1", ".")
_PROBES_FROM_VOCABULARY = 1000


class SpecialTokens(NamedTuple):
    """The token of each role; the fields name the roles."""

    pad: str
    unknown: str
    cls: str
    sep: str
    mask: str


NAMES = {
    "pad": ("[PAD]", "<pad>"),
    "unknown": ("[UNK]", "<unk>"),
    "cls": ("[CLS]", "<s>"),
    "sep": ("[SEP]", "</s>"),
    "mask": ("[MASK]", "<mask>"),
}


@contextmanager
def one_line_errors(what: str) -> Iterator[None]:
    """Turn what the `tokenizers` library raises, a panic of its Rust code included, into a DataError."""
    try:
        yield
    except (DataError, TypeError, MemoryError):
        raise
    except BaseException as error:  # the library raises the bare class, and its panics are no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DataError(f"{what}: {' '.join(str(error).split())}") from error


def find_special_tokens(backend: tokenizers.Tokenizer, vocabulary: dict[str, int]) -> SpecialTokens:
    """Return the token of each role, by its known names; DataError that lists the roles without a token.

    The unknown token is the model's own where the model names one. Of two known names in one vocabulary the one
    that is marked as special counts, then the one in brackets.
    """
    special = {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
    found: dict[str, str] = {}
    for role, names in NAMES.items():
        present = sorted((name for name in names if name in vocabulary), key=lambda name: name not in special)
        if present:
            found[role] = present[0]
    if isinstance(backend.model, models.WordPiece | models.BPE) and backend.model.unk_token is not None:
        found["unknown"] = backend.model.unk_token
        if found["unknown"] not in vocabulary:
            raise DataError(f"the tokenizer lacks its own unknown token {found['unknown']!r}")
    missing = [f"{role} ({' or '.join(names)})" for role, names in NAMES.items() if role not in found]
    if missing:
        raise DataError(f"the tokenizer lacks the special tokens {', '.join(missing)}")
    return SpecialTokens(**found)


def mark_special_tokens(backend: tokenizers.Tokenizer, tokens: SpecialTokens) -> None:
    """Add to the backend's special tokens those that are not among them yet; the others keep their options."""
    added = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    for content in dict.fromkeys(tokens):
        token = added.get(content)
        if token is None:
            backend.add_special_tokens([content])
        elif not token.special:
            options = {"lstrip": token.lstrip, "rstrip": token.rstrip, "single_word": token.single_word}
            backend.add_special_tokens([AddedToken(content, normalized=token.normalized, special=True, **options)])


def bert_processor(cls: tuple[str, int], sep: tuple[str, int]) -> processors.PostProcessor:
    """Return `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]` as a post-processor, for tokens given with their ids."""
    return processors.TemplateProcessing(
        single=f"{cls[0]} $A {sep[0]}",
        pair=f"{cls[0]} $A {sep[0]} $B:1 {sep[0]}:1",
        special_tokens=[cls, sep],
    )


def ensure_template(backend: tokenizers.Tokenizer, tokens: SpecialTokens, vocabulary: dict[str, int]) -> Template:
    """Return the template of the backend's post-processor; give BERT's to a backend that adds no special tokens.

    Raises:
        DataError: the backend cannot encode a text, or its post-processor does more than put special tokens
            around whole texts.
    """
    template = read_template(backend, vocabulary)
    if template.num_special(is_pair=False) or template.num_special(is_pair=True):
        return template
    processor = bert_processor((tokens.cls, vocabulary[tokens.cls]), (tokens.sep, vocabulary[tokens.sep]))
    old = backend.post_processor  # what adds nothing may still correct offsets
    backend.post_processor = processor if old is None else processors.Sequence([old, processor])
    return read_template(backend, vocabulary)


def read_template(backend: tokenizers.Tokenizer, vocabulary: dict[str, int]) -> Template:
    """Return the template of the backend's post-processor; DataError as `ensure_template`."""
    with one_line_errors("the tokenizer cannot encode a text"):
        backend.encode("\ue000\U0010fffd")  # fails where unknown characters have no token
        probe, length = _probe(backend)
        single, pair = backend.encode(probe), backend.encode(probe, probe)
    template = Template(_slots(single, length, 1), _slots(pair, length, 2))
    outside = [slot.token_id for slot in (*template.single, *template.pair) if slot.token_id >= len(vocabulary)]
    if outside:
        raise DataError(f"the tokenizer's template has the token id {outside[0]}, of {len(vocabulary)} tokens")
    return template


def _probe(backend: tokenizers.Tokenizer) -> tuple[str, int]:
    """Return a text that has tokens, and their number."""
    ids = range(min(backend.get_vocab_size(), _PROBES_FROM_VOCABULARY))
    from_vocabulary = (token.strip("#Ġ▁") for token in map(backend.id_to_token, ids) if token is not None)
    for text in (*_PROBES, *from_vocabulary):
        if length := len(backend.encode(text, add_special_tokens=False).ids):
            return text, length
    raise DataError("the tokenizer makes no token of any text")


def _slots(encoding: tokenizers.Encoding, length: int, num_texts: int) -> tuple[Slot, ...]:
    slots = []
    texts = []
    rows = zip(encoding.sequence_ids, encoding.ids, encoding.type_ids, strict=True)
    for text, group in groupby(rows, key=lambda row: row[0]):
        items = [(token_id, segment_id) for _, token_id, segment_id in group]
        if text is None:
            slots += [Slot(None, token_id, segment_id) for token_id, segment_id in items]
        else:
            slots.append(Slot(text, 0, items[0][1]))
            texts.append((text, len(items), len({segment_id for _, segment_id in items})))
    if sorted(texts) != [(text, length, 1) for text in range(num_texts)]:
        raise DataError("the tokenizer's post-processor does more than put special tokens around whole texts")
    return tuple(slots)
