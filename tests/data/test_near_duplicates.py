from __future__ import annotations

import time

import numpy as np
import pytest
from generated_text import documents, near_copy, vocabulary
from hypothesis import given
from hypothesis import strategies as st

from kerastx.data import near_duplicates
from kerastx.data.near_duplicates import (
    MINIMUM_WORDS,
    WORDS,
    are_copies,
    find_near_duplicates,
    minima,
    signature,
    word_hashes,
)


def words_of(texts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of texts of one-piece words, and their bounds."""
    token_ids = np.concatenate(texts)
    ends = np.cumsum([len(text) for text in texts])
    return word_hashes(token_ids, np.ones(len(token_ids), bool)), np.stack([ends - [len(t) for t in texts], ends], 1)


def signatures_of(texts: list[list[int]]) -> np.ndarray:
    return signature(minima(*words_of(texts)))


def copies_among(texts: list[list[int]]) -> np.ndarray:
    return find_near_duplicates(signatures_of(texts), lambda one, other: are_copies(texts[one], texts[other]))


def similarity(first: list[int], second: list[int]) -> float:
    one, other = ({tuple(text[at : at + WORDS]) for at in range(len(text) - WORDS + 1)} for text in (first, second))
    return len(one & other) / len(one | other)


def test_a_word_is_its_pieces_in_their_order():
    starts = np.array([True, False, True, False, True, False, True])
    hashes = word_hashes(np.array([5, 6, 6, 5, 5, 6, 5]), starts)
    assert hashes.shape == (4,)
    assert hashes[0] == hashes[2]
    assert len(set(hashes.tolist())) == 3


@pytest.mark.parametrize("edits", [0, 5, 15, 40])
def test_signatures_agree_as_often_as_shingles(edits):
    pick = np.random.default_rng(edits)
    pairs = []
    for _ in range(40):
        text = pick.integers(0, 10**6, 300)
        other = text.copy()
        other[pick.choice(300, edits, replace=False)] = pick.integers(0, 10**6, edits)
        pairs.append((text.tolist(), other.tolist()))
    signatures = signatures_of([text for pair in pairs for text in pair])
    found = (signatures[::2] == signatures[1::2]).mean(1)
    expected = np.array([similarity(*pair) for pair in pairs])
    assert abs((found - expected).mean()) < 0.02  # standard error of 40 estimates of 128 values: 0.007
    assert np.abs(found - expected).max() < 0.18  # four standard deviations of one


def test_minima_of_stretches_join_to_those_of_the_text():
    text = np.random.default_rng(0).integers(0, 10**6, 200)
    words = word_hashes(text, np.ones(200, bool))
    whole = minima(words, np.array([[0, 200]]))
    parts = minima(words, np.array([[0, 2], [0, 90], [88, 150], [148, 200]]))
    assert (parts[0] == 0xFFFFFFFF).all()
    np.testing.assert_array_equal(parts.min(0), whole[0])


def test_planted_copies_are_found_and_others_are_left():
    pick = np.random.default_rng(1)
    words = vocabulary(30_000)
    number_of = {word: number for number, word in enumerate(words)}
    source = (document for document in documents(pick, words, mean_words=120))
    texts, copies = [], []
    while len(texts) < 3000:
        document = next(source)
        if sum(map(len, document)) < 2 * MINIMUM_WORDS:
            continue
        texts.append(document)
        if len(texts) % 4 == 0:
            copies.append(near_copy(pick, words, document, 0.05))
    # A sentence more, a sentence less, and sentences in another order are near-copies too.
    long = [text for text in texts if len(text) >= 8][:200]
    copies += (
        [text[1:] for text in long] + [[*text, text[0][::-1]] for text in long] + [text[4:] + text[:4] for text in long]
    )
    numbers = [[number_of[word] for sentence in text for word in sentence] for text in texts + copies]
    found = copies_among(numbers)
    assert found[: len(texts)].mean() <= 0.001
    assert found[len(texts) :].mean() >= 0.95


def test_texts_after_one_pattern_are_no_copies():
    pick = np.random.default_rng(4)
    animals, verbs = np.arange(100, 112), np.arange(200, 206)

    def sentence() -> list[int]:
        return [0, pick.choice(animals), 1, pick.choice(verbs), 0, 2, pick.choice(animals), 3]

    texts = [[sentence() for _ in range(pick.integers(6, 12))] for _ in range(2000)]
    copies = [near_copy(pick, animals, text, 0.03) for text in texts[:200]]
    found = copies_among([[int(word) for part in text for word in part] for text in texts + copies])
    assert found[:2000].mean() <= 0.001
    assert found[2000:].mean() >= 0.95


def test_copies_agree_in_order_or_in_long_runs():
    pick = np.random.default_rng(5)
    text = pick.integers(0, 10**6, 200).tolist()
    assert are_copies(text, text)
    assert are_copies(text, text[20:])
    assert are_copies(text, text[100:] + text[:100])
    assert are_copies(text, [word for word in text if word % 10])  # a tenth is left out
    assert not are_copies(text, text[100:])
    assert not are_copies(text, sorted(text))
    assert not are_copies(text, text[::2] + pick.integers(0, 10**6, 100).tolist())


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_words_in_order_are_counted(first, second):
    table = np.zeros((len(first) + 1, len(second) + 1), int)
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            table[i + 1, j + 1] = table[i, j] + 1 if one == other else max(table[i, j + 1], table[i + 1, j])
    assert near_duplicates._in_order(first, second) == table[-1, -1]


def test_the_first_stays_and_copies_of_copies_are_judged_by_it():
    pick = np.random.default_rng(2)
    text = pick.integers(0, 10**6, 400)
    drifting = [text.copy()]
    for start in range(0, 400, 50):  # each keeps most of the one before, the last has nothing of the first
        drifting.append(drifting[-1].copy())
        drifting[-1][start : start + 50] = pick.integers(0, 10**6, 50)
    found = copies_among([text.tolist() for text in drifting])
    assert not found[0]
    assert found[1]
    assert 2 <= (~found).sum() <= 4  # not one long chain that hangs on the first


def test_many_copies_of_one_text_do_not_take_quadratic_time():
    pick = np.random.default_rng(3)
    text = pick.integers(0, 10**6, 300)
    signatures = np.repeat(signatures_of([text]), 30_000, 0)
    signatures[:, ::9] ^= pick.integers(0, 2, signatures[:, ::9].shape, np.uint16)  # near-copies, not exact ones
    signatures[0] = signatures_of([text])
    start = time.process_time()
    found = find_near_duplicates(signatures, lambda one, other: True)
    assert time.process_time() - start < 20
    assert found.sum() == 29_999


def test_nothing_to_compare():
    assert find_near_duplicates(np.zeros((0, 128), np.uint16), are_copies).shape == (0,)
    assert find_near_duplicates(np.zeros((1, 128), np.uint16), are_copies).tolist() == [False]
