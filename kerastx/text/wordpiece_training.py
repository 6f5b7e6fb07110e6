"""Train a WordPiece vocabulary that is the same for the same texts, whatever the process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from kerastx.errors import DataError
from kerastx.text.special_tokens import CONTINUATION, SPECIAL_TOKENS, bert_processor
from kerastx.text.well_formed import SURROGATE

MINIMUM_VOCABULARY_SIZE = 64
# Characters beyond this share of the text would each take one or two of the vocabulary's places.
CHARACTER_COVERAGE = 0.9999


def train_wordpiece(texts: Iterable[str], *, vocabulary_size: int, lowercase: bool) -> tokenizers.Tokenizer:
    """Return a trained backend with BERT's special tokens and template; arguments and errors: `Tokenizer.train`."""
    if vocabulary_size < MINIMUM_VOCABULARY_SIZE:
        raise ValueError(f"vocabulary_size must be at least {MINIMUM_VOCABULARY_SIZE}, got {vocabulary_size}.")
    if isinstance(texts, Iterator):
        texts = list(texts)
    backend = _untrained(lowercase)
    alphabet, dropped = _alphabet(texts, backend, vocabulary_size)
    if not alphabet:
        raise DataError("there is no text to train a tokenizer on")
    # The trainer numbers the single pieces in the order of a randomly seeded hash map and breaks ties between
    # merges by these numbers. Fixing the numbers of the continuations makes it deterministic.
    continuations = [CONTINUATION + character for character in alphabet if _continues(character, backend)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[*SPECIAL_TOKENS, *continuations],
        show_progress=False,
    )
    kept = (text.translate(dropped) for text in texts) if dropped else iter(texts)
    backend.train_from_iterator((SURROGATE.sub(" ", text) for text in kept), trainer)
    vocabulary = backend.get_vocab()
    backend = _untrained(lowercase)
    backend.model = models.WordPiece(vocabulary, unk_token="[UNK]")
    backend.post_processor = bert_processor(("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"]))
    backend.decoder = decoders.WordPiece(prefix=CONTINUATION)
    return backend


def _untrained(lowercase: bool) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return backend


def _alphabet(
    texts: Iterable[str], backend: tokenizers.Tokenizer, vocabulary_size: int
) -> tuple[list[str], dict[int, str]]:
    """Return the characters worth a place, sorted, and a `str.translate` table that blanks the others."""
    raw: Counter[str] = Counter()
    for text in texts:
        raw.update(text)
    counts: Counter[str] = Counter()
    for character, count in raw.items():
        for piece in _normalized(character, backend):
            counts[piece] += count
    wanted = sum(counts.values()) * CHARACTER_COVERAGE
    room = (vocabulary_size - len(SPECIAL_TOKENS)) * 3 // 4
    kept: set[str] = set()
    covered = 0
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        room -= 1 + _continues(character, backend)
        if room < 0 or covered >= wanted:
            break
        kept.add(character)
        covered += count
    dropped = {ord(character): " " for character in raw if not kept.issuperset(_normalized(character, backend))}
    return sorted(kept), dropped


def _normalized(character: str, backend: tokenizers.Tokenizer) -> str:
    if "\ud800" <= character <= "\udfff":
        return ""
    return "".join(backend.normalizer.normalize_str(character).split())


def _continues(character: str, backend: tokenizers.Tokenizer) -> bool:
    """Whether a character can stand inside a word (a Chinese one or a comma is a word of its own)."""
    words = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(f"a{character}a"))
    return len(words) == 1
