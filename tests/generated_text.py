"""Text from a seed: a vocabulary with the frequencies of natural language, and documents with known copies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_SYLLABLES = [
    onset + vowel + coda
    for onset in ("", "b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v")
    for vowel in ("a", "e", "i", "o", "u", "ea", "ou")
    for coda in ("", "l", "n", "r", "s", "t")
]
_BLOCK_WORDS = 1 << 18


def vocabulary(size: int, seed: int = 0) -> np.ndarray:
    """Return different words, the short ones first, as frequent words are."""
    pick = np.random.default_rng(seed)
    words: dict[str, None] = {}
    while len(words) < size:
        count = 1 + (len(words) > 300) + (len(words) > 40_000)
        drawn = pick.integers(len(_SYLLABLES), size=(1000, count)).tolist()
        words |= dict.fromkeys("".join(_SYLLABLES[number] for number in row) for row in drawn)
    return np.array(list(words)[:size], dtype=object)


def documents(
    pick: np.random.Generator, words: np.ndarray, *, mean_words: int = 200, mean_sentence: int = 15
) -> Iterator[list[list[str]]]:
    """Yield documents without end, as lists of sentences of words; word k is drawn with a weight of 1 / (k + 3)."""
    weights = np.cumsum(1 / (np.arange(len(words)) + 3))
    while True:
        drawn = words[np.searchsorted(weights, pick.random(_BLOCK_WORDS) * weights[-1])].tolist()
        lengths = 3 + pick.geometric(1 / (mean_sentence - 3), _BLOCK_WORDS // mean_sentence)
        last = pick.random(len(lengths)) < mean_sentence / mean_words
        document: list[list[str]] = []
        begin = 0
        for length, ends in zip(lengths.tolist(), last.tolist(), strict=True):
            if begin + length > len(drawn):
                break
            document.append(drawn[begin : begin + length])
            begin += length
            if ends:
                yield document
                document = []


def text(document: list[list[str]]) -> str:
    return " ".join(f"{' '.join(sentence)}.".capitalize() for sentence in document)


def near_copy(pick: np.random.Generator, words: np.ndarray, document: list[list[str]], share: float) -> list[list[str]]:
    """Return a document in which this share of the words is replaced, dropped or doubled."""
    copy = []
    for sentence in document:
        edited: list[str] = []
        for word in sentence:
            draw = pick.random() / share if share else 1.0
            if draw >= 1 or len(sentence) < 4:
                edited.append(word)
            elif draw < 0.6:
                edited.append(words[pick.integers(len(words))])
            elif draw < 0.8:
                edited += [word, word]
        copy.append(edited or sentence)
    return copy


def write_corpus(file, size_bytes: int, *, seed: int = 0, num_words: int = 200_000) -> int:
    """Write documents with blank lines between them, every hundredth a near-copy; return how many copies there are."""
    pick = np.random.default_rng(seed)
    words = vocabulary(num_words)
    written = copies = 0
    earlier: list[list[list[str]]] = []
    with file.open("w", encoding="utf-8") as stream:
        for number, document in enumerate(documents(pick, words)):
            if number % 100 == 99 and len(earlier) == 50:
                document = near_copy(pick, words, earlier[number // 100 % 50], 0.03)
                copies += 1
            elif len(document) > 3:
                earlier = [*earlier[-49:], document]
            written += stream.write(text(document) + "\n\n")
            if written >= size_bytes:
                return copies
    raise AssertionError("documents() ended")


SYLLABLES = [first + second + third for first in "bcdfglmnprst" for second in "aeiou" for third in ("", "n", "r", "th")]


def syllable_words() -> list[str]:
    """Return words that share beginnings and ends, small and large ones, of 1 to 3 syllables for the most part."""
    random = np.random.default_rng(1)
    made = ["".join(random.choice(SYLLABLES, random.choice(4, p=(0.1, 0.4, 0.4, 0.1)) + 1)) for _ in range(40_000)]
    return [word.title() if random.random() < 0.3 else word for word in made]


def ideographs() -> list[str]:
    """Return texts of ideographs, more than a vocabulary takes, and of words."""
    random = np.random.default_rng(2)
    return [
        "".join(map(chr, 0x4E00 + (random.random(40) ** 2 * 8000).astype(int))) for _ in range(4000)
    ] + syllable_words()
