"""Beam search on a small language whose every text can be counted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kerastx.runtime.beams import BeamSearch, best_first
from kerastx.runtime.generation_settings import GenerationSettings

END, SIZE, LONGEST = 0, 4, 3


def next_scores(seed: int, tokens: tuple[int, ...]) -> np.ndarray:
    """Log-probabilities of the next of 4 tokens, by all tokens before it."""
    logits = np.random.default_rng((seed, *tokens)).normal(size=SIZE) * 1.5
    return logits - np.log(np.exp(logits).sum())


def score_of(seed: int, tokens: tuple[int, ...], length_penalty: float) -> float:
    total = sum(next_scores(seed, tokens[:place])[token] for place, token in enumerate(tokens))
    return total / len(tokens) ** length_penalty


def searched(seed: int, settings: GenerationSettings, **changes) -> BeamSearch:
    search = BeamSearch(settings, **{"max_new_tokens": LONGEST, "end_ids": (END,), **changes})
    while not search.is_done:
        before = [beam.tokens for beam in search.running]
        scores = np.stack([next_scores(seed, tokens) for tokens in before])
        parents = search.step(scores.copy(), scores)
        if not search.is_done:
            assert [beam.tokens[:-1] for beam in search.running] == [before[parent] for parent in parents]
    return search


def all_texts() -> list[tuple[int, ...]]:
    words = [word for length in range(LONGEST + 1) for word in itertools.product(range(1, SIZE), repeat=length)]
    return [word if len(word) == LONGEST else (*word, END) for word in words]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
def test_with_beams_for_all_it_finds_the_best_text(seed, length_penalty):
    settings = GenerationSettings(num_beams=40, length_penalty=length_penalty)
    best = max(all_texts(), key=lambda tokens: score_of(seed, tokens, length_penalty))
    found = searched(seed, settings).best
    assert found.tokens == best
    assert found.score == pytest.approx(score_of(seed, best, length_penalty))
    assert found.log_probability == pytest.approx(score_of(seed, best, 0.0))


@pytest.mark.parametrize("seed", range(20))
def test_one_beam_takes_the_best_token_each_time(seed):
    tokens: tuple[int, ...] = ()
    while len(tokens) < LONGEST and tokens[-1:] != (END,):
        tokens = (*tokens, int(next_scores(seed, tokens).argmax()))
    found = searched(seed, GenerationSettings(num_beams=1, early_stopping=True)).best
    assert found.tokens == tokens


def test_more_beams_find_nothing_worse_together():
    for seed in range(20):
        scores = [searched(seed, GenerationSettings(num_beams=count)).best.score for count in (1, 40)]
        assert scores[1] >= scores[0] - 1e-12


def test_early_stopping_takes_the_first_whole_texts():
    seed = next(
        seed
        for seed in range(100)
        if searched(seed, GenerationSettings(num_beams=2, early_stopping=True)).best.tokens
        != searched(seed, GenerationSettings(num_beams=2)).best.tokens
    )
    early = searched(seed, GenerationSettings(num_beams=2, early_stopping=True)).best
    late = searched(seed, GenerationSettings(num_beams=2)).best
    assert late.score > early.score


def test_a_text_may_end_by_what_it_says():
    found = searched(1, GenerationSettings(num_beams=3), end_ids=(), is_stopped=lambda tokens: tokens[-1:] == (END,))
    expected = searched(1, GenerationSettings(num_beams=3))
    assert found.best == expected.best


def test_what_goes_on_fills_the_places_of_what_ended():
    search = BeamSearch(GenerationSettings(num_beams=2), max_new_tokens=9, is_stopped=lambda tokens: tokens[-1] < 3)
    scores = np.log(np.tile([0.4, 0.3, 0.2, 0.1], (2, 1)))
    assert search.step(scores.copy(), scores).tolist() == [0, 0]
    assert [beam.tokens for beam in search.running] == [(3,), (3,)]
    assert [beam.tokens for beam in search.whole] == [(0,), (1,)]


def test_what_is_begun_counts_for_the_length():
    scores = np.log(np.tile([0.2, 0.5, 0.3], (1, 1)))
    for begun in (0, 2):
        search = BeamSearch(GenerationSettings(num_beams=1), max_new_tokens=9, end_ids=(1,), begun=begun)
        search.step(scores.copy(), scores)
        assert search.whole[0].score == pytest.approx(np.log(0.5) / (1 + begun))


def test_where_nothing_may_be_written_the_search_is_done():
    search = BeamSearch(GenerationSettings(num_beams=2), max_new_tokens=9)
    search.step(np.full((2, 4), -np.inf), np.zeros((2, 4)))
    assert search.is_done
    assert search.best.tokens == ()


@pytest.mark.parametrize("seed", range(20))
def test_the_largest_values_come_first_and_of_equal_ones_the_first(seed):
    values = np.random.default_rng(seed).integers(0, 6, 15).astype(float)
    for count in (1, 4, 15, 30):
        expected = sorted(range(15), key=lambda place: (-values[place], place))[:count]
        assert best_first(values, count).tolist() == expected
