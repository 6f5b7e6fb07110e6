"""Token store -> packed sentence pairs for next-sentence prediction (BERT, https://arxiv.org/abs/1810.04805).

An anchor is a sentence with a successor in its document. Every epoch visits all anchors once, in an order that is
computed, not stored, so a batch is a pure function of (store, seed, step).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from kerastx.data.computed_order import hash_numbers, permuted, uniform
from kerastx.data.splits import MINIMUM_DOCUMENTS, SPLITS, held_back_documents
from kerastx.data.store import TokenStore
from kerastx.errors import DataError

MINIMUM_LENGTH = 8
SHORT_PROBABILITY = 0.1  # BERT's short_seq_prob: shows the model texts shorter than max_length
SHORTEST_TARGET = 16
NUM_SPECIAL = 3  # [CLS] A [SEP] B [SEP]

# Independent draws of one example.
_SHORT, _TARGET, _CUT, _RANDOM, _OTHER = range(5)
_NUM_DRAWS = _OTHER + 4  # tries for another document


def pair_batch(
    store: TokenStore, seed: int, step: int, *, batch_size: int, max_length: int, split: str = "train"
) -> dict[str, np.ndarray]:
    """Return the pairs of one training step; the same arguments always give the same arrays.

    Returns:
        token_ids, int32, (B, T): [CLS] A [SEP] B [SEP], then [PAD].
        segment_ids, int32, (B, T): 1 for B and its [SEP].
        padding_mask, bool, (B, T): True = real token.
        nsp_labels, int32, (B,): 0 = B follows A in its document, 1 = B comes from another document.
        documents, int64, (B, 2): the numbers of the documents of A and of B.

    Raises:
        DataError: the split has fewer than two documents with two sentences.
    """
    if max_length < MINIMUM_LENGTH:
        raise ValueError(f"max_length must be at least {MINIMUM_LENGTH}, got {max_length}.")
    anchors = anchors_of(store, split)
    examples = np.uint64(step) * np.uint64(batch_size) + np.arange(batch_size, dtype=np.uint64)
    epochs = examples // np.uint64(anchors.count)
    order = permuted(examples % np.uint64(anchors.count), anchors.count, hash_numbers(np.uint64(seed), epochs))
    draws = uniform(hash_numbers(np.uint64(seed), examples)[:, None] + np.arange(_NUM_DRAWS, dtype=np.uint64))

    tokenizer = store.tokenizer
    token_ids = np.full((batch_size, max_length), tokenizer.pad_id, np.int32)
    segment_ids = np.zeros((batch_size, max_length), np.int32)
    padding_mask = np.zeros((batch_size, max_length), bool)
    nsp_labels = np.zeros(batch_size, np.int32)
    documents = np.zeros((batch_size, 2), np.int64)
    for row in range(batch_size):
        pair = _pair(store, anchors, int(order[row]), draws[row], max_length - NUM_SPECIAL)
        first, second, nsp_labels[row], documents[row] = pair
        middle, end = len(first) + 2, len(first) + len(second) + NUM_SPECIAL
        token_ids[row, 0] = tokenizer.cls_id
        token_ids[row, 1 : middle - 1] = first
        token_ids[row, middle - 1] = tokenizer.sep_id
        token_ids[row, middle : end - 1] = second
        token_ids[row, end - 1] = tokenizer.sep_id
        segment_ids[row, middle:end] = 1
        padding_mask[row, :end] = True
    return {
        "token_ids": token_ids,
        "segment_ids": segment_ids,
        "padding_mask": padding_mask,
        "nsp_labels": nsp_labels,
        "documents": documents,
    }


def has_validation(store: TokenStore) -> bool:
    """Whether the store is large enough to hold about one document in 100 back for validation."""
    return bool(held_back_documents(store).any())


def num_pairs(store: TokenStore, split: str = "train") -> int:
    """Return how many pairs an epoch has."""
    return anchors_of(store, split).count


@dataclass(frozen=True, eq=False)
class Anchors:
    """The anchors of a split, numbered from 0 through its documents.

    Attributes:
        numbers: int64, (M,); the documents of the split, by their number in the store.
        before: int64, (M + 1,); number of anchors before each document of the split.
        begins: int64, (M,); first sentence of each of these documents.
        ends: int64, (M,); one past their last sentence.
    """

    numbers: np.ndarray
    before: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    @property
    def count(self) -> int:
        return int(self.before[-1])

    def locate(self, anchor: int) -> tuple[int, int]:
        """Return the document (of the split) and the sentence of an anchor."""
        document = int(np.searchsorted(self.before, anchor, "right")) - 1
        return document, int(self.begins[document] + anchor - self.before[document])


@functools.lru_cache(maxsize=4)
def anchors_of(store: TokenStore, split: str) -> Anchors:
    """Return the anchors of a split; DataError if it has no two documents to draw from."""
    if split not in SPLITS:
        raise ValueError(f"split must be train or validation, got {split!r}.")
    held_back = held_back_documents(store)
    if split == "validation" and not held_back.any():
        raise DataError(
            f"{store.path}: has fewer than {MINIMUM_DOCUMENTS} documents of two sentences, too few for validation"
        )
    lengths = np.diff(store.documents)
    chosen = np.flatnonzero((lengths > 1) & (held_back == (split == "validation")))
    if len(chosen) < 2:
        raise DataError(
            f"{store.path}: expected at least two documents of two sentences for sentence pairs, got {len(chosen)}; "
            "prepare it with another --documents or from more text"
        )
    before = np.concatenate([[0], np.cumsum(lengths[chosen] - 1)])
    return Anchors(chosen, before, store.documents[chosen], store.documents[chosen + 1])


def _pair(
    store: TokenStore, anchors: Anchors, anchor: int, draws: np.ndarray, target: int
) -> tuple[np.ndarray, np.ndarray, int, tuple[int, int]]:
    """Return the token ids of A and B, at most `target` together and each at least one, the label and the documents."""
    if draws[_SHORT] < SHORT_PROBABILITY and target > SHORTEST_TARGET:
        target = SHORTEST_TARGET + int(draws[_TARGET] * (target - SHORTEST_TARGET + 1))
    sentences = store.sentences
    document, start = anchors.locate(anchor)
    stop = _window(sentences, start, int(anchors.ends[document]), target)
    cut = start + 1 + int(draws[_CUT] * (stop - start - 1))
    first = store.tokens[sentences[start] : sentences[cut]]
    second = store.tokens[sentences[cut] : sentences[stop]]
    num_first, num_second = _cut_lengths(len(first), len(second), target)
    label = int(draws[_RANDOM] < 0.5)
    other = document
    if label:
        # Shaped like the true continuation, as long and as abruptly cut: a shape that depended on the label would give
        # it away.
        other, start, available = _other_start(store, anchors, document, draws[_OTHER:], num_second)
        if num_second < len(second):
            num_second = min(num_second, available)
        else:
            num_second = _nearest_boundary(sentences, start, num_second, available)
            num_first, num_second = _cut_lengths(len(first), num_second, target)
        second = store.tokens[sentences[start] : sentences[start] + num_second]
    documents = int(anchors.numbers[document]), int(anchors.numbers[other])
    return first[len(first) - num_first :], second[:num_second], label, documents


def _other_start(
    store: TokenStore, anchors: Anchors, document: int, draws: np.ndarray, length: int
) -> tuple[int, int, int]:
    """Return another document, a random anchor sentence in it, and how many tokens follow from there.

    All such anchors are equally likely in each of a few tries to find one with `length` tokens behind it.
    """
    own_begin, own_end = int(anchors.before[document]), int(anchors.before[document + 1])
    for draw in draws:
        anchor = int(draw * (anchors.count - (own_end - own_begin)))
        other, start = anchors.locate(anchor if anchor < own_begin else anchor + own_end - own_begin)
        available = int(store.sentences[anchors.ends[other]] - store.sentences[start])
        if available >= length:
            break
    return other, start, available


def _nearest_boundary(sentences: np.ndarray, start: int, length: int, available: int) -> int:
    """Return the length of the whole sentences, one at least, from `start` that come nearest to `length` tokens."""
    bounds = sentences[start + 1 : start + length + 2] - sentences[start]
    bounds = bounds[bounds <= available]
    return int(bounds[np.abs(bounds - length).argmin()])


def _window(sentences: np.ndarray, start: int, end: int, target: int) -> int:
    """Return the end of the sentences, two at least, from `start` that hold `target` tokens or end the document."""
    # No sentence is empty, so `target` of them are always enough.
    bounds = sentences[start + 2 : min(start + target, end) + 1]
    return min(start + 2 + int(np.searchsorted(bounds, sentences[start] + target)), end)


def _cut_lengths(first: int, second: int, target: int) -> tuple[int, int]:
    """Shorten the longer of two lengths first, until both fit."""
    half = target // 2
    if first + second <= target:
        return first, second
    if min(first, second) <= half:
        return (first, target - first) if first < second else (target - second, second)
    return target - half, half
