"""Near-copies among documents: MinHash signatures of word triples, the pairs that share a band of one, and a proof.

Signatures find almost every near-copy, but texts made after one pattern share most triples too. So a pair that they
find is a copy only if the words themselves agree in order, or in long runs.

Broder (1997), On the resemblance and containment of documents; the banding is from Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, section 3.4. Words are put together from the tokenizer's pieces, so that it works alike
for every vocabulary size, and a Chinese character, which is a word to the tokenizer, needs no spaces around it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kerastx.data.parts import SIGNATURE_SIZE

WORDS = 3  # of a shingle: an edited word changes three, so 5 % of edited words leave a similarity of about 0.74
MINIMUM_WORDS = 20  # in shorter documents one edit changes too much; only exact copies of them are told
SIMILARITY = 0.5  # Jaccard similarity of the shingles, estimated from the signatures
CLEAR_SIMILARITY = 0.9  # of an earlier document that makes looking for another one needless
IN_ORDER = 0.85  # of the words of the longer text stand in the other one too, in the same order
RUN, SHARED_RUNS = 8, 0.5  # or this is the Jaccard similarity of runs of so many words: sentences that were moved
COMPARED_WORDS = 2000  # of the beginning of a text
MOST_CHECKS = 8  # earlier documents that a text is compared with word by word, the most similar ones first
# Four values are a band: 87 % of the pairs of similarity 0.5 share one of 32 bands, 98.8 % of 0.6, 99.98 % of 0.7.
_COMPARED = 1 << 16  # pairs whose signatures are compared at once

_PIECE, _PLACE, _SPREAD = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0xBF58476D1CE4E5B9))
_SHINGLE = np.array([0x8CB92BA72F3D8DD7, 0xABC98388FB8FAC03, 0x139408DCBBF7A44D], np.uint64)
_EMPTY = np.uint32(0xFFFFFFFF)


def word_hashes(token_ids: np.ndarray, starts_word: np.ndarray) -> np.ndarray:
    """Return a hash per word, uint64, (num_words,), from its pieces and their order.

    Args:
        token_ids: int, (T,).
        starts_word: bool, (T,); True for the first.
    """
    begins = np.flatnonzero(starts_word)
    word = np.cumsum(starts_word) - 1
    place = (np.arange(len(token_ids)) - begins[word]).astype(np.uint64)
    return np.add.reduceat(_mixed(token_ids.astype(np.uint64) * _PIECE + place * _PLACE), begins)


def minima(words: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return the smallest hash of the shingles of each stretch of words, uint32, (len(bounds), SIGNATURE_SIZE).

    The minima of a text that comes in stretches are the elementwise minima of theirs.

    Args:
        words: uint64, (num_words,); see `word_hashes`.
        bounds: int, (N, 2); begin and end of each stretch, in order.
    """
    result = np.full((len(bounds), SIGNATURE_SIZE), _EMPTY)
    counts = np.maximum(bounds[:, 1] - bounds[:, 0] - (WORDS - 1), 0)
    with_shingles = np.flatnonzero(counts)
    if not len(with_shingles):
        return result
    counts = counts[with_shingles]
    starts = np.cumsum(counts) - counts
    places = np.arange(counts.sum()) + np.repeat(bounds[with_shingles, 0] - starts, counts)
    hashes = np.zeros(len(places), np.uint64)
    for number in range(WORDS):
        hashes += words[places + number] * _SHINGLE[number]
    hashes = (_mixed(hashes) >> np.uint64(32)).astype(np.uint32)
    column = np.empty_like(hashes)
    for number in range(SIGNATURE_SIZE):
        np.multiply(hashes, _FACTORS[number], out=column)
        column += _OFFSETS[number]
        result[with_shingles, number] = np.minimum.reduceat(column, starts)
    return result


def signature(minimum: np.ndarray) -> np.ndarray:
    """Return 16 bits of each minimum, uint16: unequal ones look equal once in 65,536 times."""
    return (_mixed(minimum.astype(np.uint64)) >> np.uint64(48)).astype(np.uint16)


def are_copies(first: list[int], second: list[int]) -> bool:
    """Whether two texts, given as lists of words, are near-copies: see IN_ORDER and SHARED_RUNS."""
    longer = max(len(first), len(second))
    if min(len(first), len(second)) >= IN_ORDER * longer and _in_order(first, second) >= IN_ORDER * longer:
        return True
    runs = [{tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1)} for words in (first, second)]
    shared = len(runs[0] & runs[1])
    return shared > 0 and shared >= SHARED_RUNS * (len(runs[0]) + len(runs[1]) - shared)


def _in_order(first: list[int], second: list[int]) -> int:
    """Return the length of the longest common subsequence; the bits of an int are a row of the table (Hyyrö, 2004)."""
    places: dict[int, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    ones = (1 << len(first)) - 1
    row = ones
    for word in second:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & ones
    return len(first) - row.bit_count()


def find_near_duplicates(signatures: np.ndarray, check: Callable[[int, int], bool]) -> np.ndarray:
    """Return which documents are near-copies of an earlier one that stays, bool, (N,).

    In each band a document is compared with the first and with the last one before it that share its values, so the
    work does not grow with the square of the number of copies.

    Args:
        signatures: uint16, (N, SIGNATURE_SIZE), in the order of the corpus.
        check: called with the numbers of two documents whose signatures are similar; whether they are near-copies.
    """
    bands = np.ascontiguousarray(signatures).view(np.uint64)
    has_original = np.zeros(len(bands), bool)
    found, similarities = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number in range(bands.shape[1]):
        pairs = _candidates(bands[:, number], ~has_original)
        equal = _equal_values(signatures, pairs)
        similar = equal >= SIMILARITY * SIGNATURE_SIZE
        found.append(pairs[similar, 1] << 32 | pairs[similar, 0])
        similarities.append(equal[similar])
        clear = pairs[equal >= CLEAR_SIMILARITY * SIGNATURE_SIZE]
        has_original[clear[~has_original[clear[:, 0]], 1]] = True
    codes, places = np.unique(np.concatenate(found), return_index=True)
    later, earlier = codes >> 32, codes & 0xFFFFFFFF
    order = np.lexsort((earlier, -np.concatenate(similarities)[places], later))
    return _copies(len(bands), earlier[order].tolist(), later[order].tolist(), check)


def _copies(count: int, earlier: list[int], later: list[int], check: Callable[[int, int], bool]) -> np.ndarray:
    """Return which of the later ones are copies of one that stays; pairs come in their order, the likeliest first."""
    original_of: dict[int, int] = {}
    checked: set[int] = set()
    current = -1
    for one, other in zip(earlier, later, strict=True):
        if other != current:
            current, checked = other, set()
        # A copy of a copy is judged by the original: similarity does not pass on.
        original = original_of.get(one, one)
        if other in original_of or original in checked or len(checked) == MOST_CHECKS:
            continue
        checked.add(original)
        if check(original, other):
            original_of[other] = original
    copies = np.zeros(count, bool)
    copies[list(original_of)] = True
    return copies


def _candidates(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return pairs (earlier, later), int64, (M, 2), of documents that share a key, for the wanted later ones."""
    order = np.argsort(keys)
    equal = keys[order][1:] == keys[order][:-1]
    shared = np.zeros(len(keys), bool)
    shared[1:] |= equal
    shared[:-1] |= equal
    members = order[shared]
    members = members[np.lexsort((members, keys[members]))]
    if not len(members):
        return np.zeros((0, 2), np.int64)
    begins_group = np.concatenate([[True], keys[members][1:] != keys[members][:-1]])
    first = members[np.flatnonzero(begins_group)[np.cumsum(begins_group) - 1]]
    chosen = np.flatnonzero(~begins_group & wanted[members])
    first, before, later = first[chosen], members[chosen - 1], members[chosen]
    return np.concatenate([np.stack([first, later], 1), np.stack([before, later], 1)[before != first]])


def _equal_values(signatures: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return how many values two signatures share, int64, (M,)."""
    result = np.zeros(len(pairs), np.int64)
    for start in range(0, len(pairs), _COMPARED):
        block = pairs[start : start + _COMPARED]
        equal = signatures[block[:, 0]] == signatures[block[:, 1]]
        # Eight bytes at once, each at most 16; the product adds them up in the highest one.
        sums = equal.view(np.uint64).sum(1) * np.uint64(0x0101010101010101) >> np.uint64(56)
        result[start : start + _COMPARED] = sums
    return result


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread the bits of uint64 values over all places (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * _SPREAD
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


# Numbers without a pattern that no version of NumPy draws differently; an odd factor loses no bit.
_NUMBERS = (_mixed(np.arange(1, 2 * SIGNATURE_SIZE + 1, dtype=np.uint64)) >> np.uint64(32)).astype(np.uint32)
_FACTORS, _OFFSETS = _NUMBERS[:SIGNATURE_SIZE] | np.uint32(1), _NUMBERS[SIGNATURE_SIZE:]
