"""The choice of the next token: scores of all tokens, changed by what is there already, and one of them taken.

Every function takes scores float (V,), logits or log-probabilities, and returns new ones; -inf is never taken. Their
order, and what each means, are those of `transformers`, so that the same settings write the same texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerastx.runtime.generation_settings import GenerationSettings

NEVER = -np.inf


def log_softmax(logits: np.ndarray, *, out: np.ndarray | None = None) -> np.ndarray:
    """Return log-probabilities float64 (..., V) of logits float (..., V); out of the same shape is filled with them."""
    logits = np.asarray(logits)
    return np.subtract(logits, log_sum_exp(logits)[..., None], out=out, dtype=np.float64)


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    """Return what logits exceed log-probabilities by: float (..., V) -> float64 (...)."""
    logits = np.asarray(logits)
    rows = logits.reshape(-1, logits.shape[-1])
    scratch = np.empty_like(rows[:1])  # a row at a time: memory for all of them, asked for anew, costs more than this
    found = np.empty(len(rows))
    for place, row in enumerate(rows):
        peak = row.max()
        np.exp(np.subtract(row, peak, out=scratch[0]), out=scratch[0])
        found[place] = peak + np.log(scratch.sum(dtype=np.float64))
    return found.reshape(logits.shape[:-1])


def penalized(scores: np.ndarray, token_ids: Sequence[int], penalty: float) -> np.ndarray:
    """Return scores in which the tokens that are there score less: positive ones divided, negative ones multiplied."""
    scores = scores.copy()
    seen = np.unique(np.asarray(token_ids, np.int64))
    scores[seen] = np.where(scores[seen] < 0, scores[seen] * penalty, scores[seen] / penalty)
    return scores


def repeating(token_ids: Sequence[int], size: int) -> list[int]:
    """Return the tokens with which the last `size` tokens would be a sequence that is there already."""
    if len(token_ids) < size:
        return []
    rows = np.lib.stride_tricks.sliding_window_view(np.asarray(token_ids, np.int64), size)
    begin = np.asarray(token_ids[len(token_ids) - size + 1 :], np.int64)
    return sorted({int(row[-1]) for row in rows[(rows[:, :-1] == begin).all(axis=1)]})


def keep_top_k(scores: np.ndarray, count: int) -> np.ndarray:
    """Keep the `count` best scores, and those that equal the last of them."""
    if count >= len(scores):
        return scores
    return np.where(scores < np.partition(scores, -count)[-count], NEVER, scores)


def keep_top_p(scores: np.ndarray, probability: float) -> np.ndarray:
    """Keep the fewest tokens that have this probability together, the most probable ones."""
    order = np.argsort(-scores, kind="stable")
    probabilities = np.exp(log_softmax(scores[order]))
    before = np.cumsum(probabilities) - probabilities
    kept = scores.copy()
    kept[order[1:][before[1:] >= probability]] = NEVER
    return kept


def keep_min_p(scores: np.ndarray, share: float) -> np.ndarray:
    """Keep tokens that are at least this share as probable as the most probable one."""
    return np.where(scores < scores.max() + np.log(share), NEVER, scores)


def adjusted(
    scores: np.ndarray,
    token_ids: Sequence[int],
    settings: GenerationSettings,
    *,
    num_new: int,
    end_ids: Sequence[int] = (),
    never_ids: Sequence[int] = (),
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return scores float64 (V,) after what holds for every way of choosing.

    Args:
        scores: float (V,).
        token_ids: all that the model has read of the text, its beginning included.
        settings: of which repetition_penalty, no_repeat_ngram and min_new_tokens count here.
        num_new: how many tokens are written.
        end_ids: tokens that end a text.
        never_ids: tokens that no text has.
        out: float64 (V,), to be filled and returned; None = a new array.
    """
    out = np.empty(np.shape(scores), np.float64) if out is None else out
    out[:] = scores
    if settings.repetition_penalty != 1:
        out[:] = penalized(out, token_ids, settings.repetition_penalty)
    if settings.no_repeat_ngram is not None:
        out[repeating(token_ids, settings.no_repeat_ngram)] = NEVER
    if num_new < settings.min_new_tokens:
        out[list(end_ids)] = NEVER
    out[list(never_ids)] = NEVER
    return out


def choose(scores: np.ndarray, settings: GenerationSettings, random: np.random.Generator) -> int | None:
    """Return the most probable token, or one that is drawn; None where none may be taken.

    Args:
        scores: float64 (V,), `adjusted` ones.
        settings: of which temperature, top_k, top_p and min_p count here.
        random: gives one number for each token that is drawn.
    """
    if scores.max() == NEVER:
        return None
    if settings.temperature == 0:
        return int(scores.argmax())
    with np.errstate(over="ignore"):  # the best score becomes 0 first, and stays it at any temperature
        scores = (scores - scores.max()) / settings.temperature
    if settings.top_k is not None:
        scores = keep_top_k(scores, settings.top_k)
    if settings.top_p is not None:
        scores = keep_top_p(scores, settings.top_p)
    if settings.min_p is not None:
        scores = keep_min_p(scores, settings.min_p)
    sums = np.cumsum(np.exp(scores - scores.max()))
    return int(np.searchsorted(sums, random.random() * sums[-1], side="right"))
