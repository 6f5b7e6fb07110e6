"""Token store -> texts with gaps, and what is missing: the objective of T5 (Raffel et al., 2020, section 3.1.4).

A window of running text loses spans of tokens; a sentinel stands in the place of each. What is to be written is each
sentinel, followed by what it stands for. Sentinels have ids behind those of the vocabulary.
"""

from __future__ import annotations

import numpy as np

from kerastx.data.next_token_rows import window_batch
from kerastx.data.store import TokenStore

SENTINELS = 100  # as T5
NOISE_SHARE = 0.15
MEAN_SPAN = 3.0


def corrupted_batch(
    store: TokenStore, seed: int, step: int, *, batch_size: int, max_length: int, split: str = "train"
) -> dict[str, np.ndarray]:
    """Return the rows of one training step; the same arguments always give the same arrays.

    Of each window of L = max_length tokens, M are taken out in K spans, the same numbers in every row.

    Returns:
        source_token_ids, int32, (B, L - M + K + 2): <s>, the text with sentinels, </s>.
        target_token_ids, int32, (B, M + K + 1): <s> and what is to be written.
        labels, int32, (B, M + K + 1): what is to be written, </s>.

    Raises:
        DataError: the split holds less than two windows.
    """
    windows, _ = window_batch(store, seed, step, batch_size=batch_size, max_length=max_length, split=split)
    tokenizer = store.tokenizer
    num_noise, num_spans = noise_counts(max_length)
    sources, targets = [], []
    for row, tokens in enumerate(windows):
        # Held-out windows lose the same spans for every seed.
        draw = np.random.default_rng([seed if split == "train" else 0, step * batch_size + row])
        source, target = corrupted(
            tokens, draw, num_noise=num_noise, num_spans=num_spans, first_sentinel=tokenizer.vocabulary_size
        )
        sources.append([tokenizer.cls_id, *source, tokenizer.sep_id])
        targets.append([tokenizer.cls_id, *target, tokenizer.sep_id])
    written = np.array(targets, np.int32)
    return {
        "source_token_ids": np.array(sources, np.int32),
        "target_token_ids": written[:, :-1],
        "labels": written[:, 1:],
    }


def noise_counts(length: int) -> tuple[int, int]:
    """Return how many tokens of a window of this length are taken out, and in how many spans."""
    num_noise = min(max(round(length * NOISE_SHARE), 1), length - 1)
    num_spans = min(max(round(num_noise / MEAN_SPAN), 1), SENTINELS, num_noise, length - num_noise - 1)
    return num_noise, num_spans


def corrupted(
    tokens: np.ndarray, draw: np.random.Generator, *, num_noise: int, num_spans: int, first_sentinel: int
) -> tuple[list[int], list[int]]:
    """Return a text without some spans, and the spans, each behind the sentinel that stands for it in the text.

    Text stands before, between and behind the spans.
    """
    kept, noise = _parts(len(tokens) - num_noise, num_spans + 1, draw), _parts(num_noise, num_spans, draw)
    source: list[int] = []
    target: list[int] = []
    start = 0
    for number, (before, length) in enumerate(zip(kept[:-1], noise, strict=True)):
        source += [*tokens[start : start + before].tolist(), first_sentinel + number]
        start += before
        target += [first_sentinel + number, *tokens[start : start + length].tolist()]
        start += length
    return [*source, *tokens[start:].tolist()], target


def _parts(total: int, count: int, draw: np.random.Generator) -> list[int]:
    """Return `count` lengths, each at least 1, that add up to `total`; every way to do so is as probable."""
    cuts = np.sort(draw.choice(total - 1, count - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [total]])).tolist()
