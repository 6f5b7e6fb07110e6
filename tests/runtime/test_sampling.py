"""The choice of the next token, against plain definitions on random scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.sampling import (
    adjusted,
    choose,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    log_softmax,
    penalized,
    repeating,
)

ROUNDS = range(40)


def scores_of(seed: int, size: int = 12) -> np.ndarray:
    """Random scores, some of them equal, some of them impossible."""
    random = np.random.default_rng(seed)
    scores = np.round(random.normal(size=size) * 2, 1)
    scores[random.integers(0, size, 2)] = -np.inf
    return scores


def probabilities(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def kept(scores: np.ndarray) -> set[int]:
    return set(np.flatnonzero(scores > -np.inf).tolist())


@pytest.mark.parametrize("seed", ROUNDS)
def test_top_k_keeps_the_best(seed):
    scores = scores_of(seed)
    for count in (1, 3, 12, 40):
        least = sorted(scores, reverse=True)[min(count, 12) - 1]
        assert kept(keep_top_k(scores, count)) == {i for i, score in enumerate(scores) if score >= least > -np.inf} | (
            kept(scores) if least == -np.inf else set()
        )


@pytest.mark.parametrize("seed", ROUNDS)
def test_top_p_keeps_the_fewest_that_are_enough(seed):
    scores = scores_of(seed)
    shares = probabilities(scores)
    for probability in (0.1, 0.5, 0.9):
        found = kept(keep_top_p(scores, probability))
        assert sum(shares[list(found)]) >= probability - 1e-12
        least = min(found, key=lambda token: shares[token])
        assert sum(shares[list(found - {least})]) < probability
        assert all(shares[token] <= shares[least] for token in set(range(12)) - found)
    assert kept(keep_top_p(scores, 1.0)) == kept(scores)


@pytest.mark.parametrize("seed", ROUNDS)
def test_min_p_keeps_what_is_not_far_behind_the_best(seed):
    scores = scores_of(seed)
    shares = probabilities(scores)
    for share in (0.05, 0.3, 1.0):
        expected = {token for token in range(12) if shares[token] >= share * shares.max() * (1 - 1e-12)}
        assert kept(keep_min_p(scores, share)) == expected


@pytest.mark.parametrize("seed", ROUNDS)
def test_sequences_that_would_repeat(seed):
    tokens = np.random.default_rng(seed).integers(0, 3, 20).tolist()
    for size in (1, 2, 3, 4):
        there = {tuple(tokens[place : place + size]) for place in range(len(tokens) - size + 1)}
        expected = [token for token in range(3) if tuple([*tokens, token][-size:]) in there]
        assert repeating(tokens, size) == expected
    assert repeating([1, 2], 3) == []
    assert repeating([], 1) == []


def test_a_penalty_lowers_what_is_there():
    scores = penalized(np.array([2.0, -2.0, 3.0, 0.0]), [0, 1, 0], 2.0)
    np.testing.assert_array_equal(scores, [1.0, -4.0, 3.0, 0.0])


def test_what_holds_for_every_choice():
    settings = GenerationSettings(repetition_penalty=2.0, no_repeat_ngram=2, min_new_tokens=3)
    logits = np.array([4.0, 3.0, 2.0, 1.0, 0.5])
    found = adjusted(logits, (0, 1, 0), settings, num_new=2, end_ids=(4,), never_ids=(2,))
    np.testing.assert_array_equal(found, [2.0, -np.inf, -np.inf, 1.0, -np.inf])
    later = adjusted(logits, (0, 1, 0), settings, num_new=3, end_ids=(4,), never_ids=(2,))
    assert later[4] == 0.5
    np.testing.assert_array_equal(logits, [4.0, 3.0, 2.0, 1.0, 0.5])


def test_log_softmax_of_large_logits():
    np.testing.assert_allclose(
        log_softmax(np.array([[1e4, 1e4], [0.0, math.log(3)]])), np.log([[0.5] * 2, [0.25, 0.75]])
    )


def test_without_a_temperature_the_best_is_taken():
    random = np.random.default_rng(0)
    assert choose(np.array([1.0, 3.0, 3.0]), GenerationSettings(), random) == 1
    assert choose(np.full(3, -np.inf), GenerationSettings(), random) is None


@pytest.mark.parametrize(("temperature", "options"), [(1.0, {}), (0.5, {}), (2.0, {"top_k": 3}), (1.0, {"top_p": 0.6})])
def test_tokens_are_drawn_as_often_as_they_are_probable(temperature, options):
    scores = np.array([1.0, 0.0, -np.inf, -1.0, 0.5])
    settings = GenerationSettings(temperature=temperature, **options)
    random = np.random.default_rng(5)
    drawn = np.bincount([choose(scores, settings, random) for _ in range(4000)], minlength=5) / 4000
    left = scores / temperature
    left = keep_top_k(left, 3) if "top_k" in options else left
    left = keep_top_p(left, 0.6) if "top_p" in options else left
    np.testing.assert_allclose(drawn, probabilities(left), atol=0.03)  # four standard deviations of 4000 draws


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"top_p": 0.6}, {"min_p": 0.5}])
@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-100, 1e300])
def test_extreme_temperatures_draw_a_token(temperature, options):
    scores = np.array([100.0, 300.0, -np.inf, -1.0])
    settings = GenerationSettings(temperature=temperature, **options)
    random = np.random.default_rng(5)
    drawn = {choose(scores, settings, random) for _ in range(50)}
    assert drawn == {1} if temperature < 1 else drawn <= {0, 1, 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens must be a whole number of at least 1, got 0"),
        ({"num_beams": 1.5}, "num_beams must be a whole number of at least 1, got 1.5"),
        ({"min_new_tokens": 5, "max_new_tokens": 4}, "min_new_tokens must be at most max_new_tokens, 4, got 5"),
        ({"temperature": -1}, "temperature must be a number of at least 0, got -1"),
        ({"temperature": math.nan}, "temperature must be a number of at least 0, got nan"),
        ({"top_p": 1.5, "temperature": 1}, r"top_p must be in \(0, 1\], got 1.5"),
        ({"min_p": 0, "temperature": 1}, r"min_p must be in \(0, 1\], got 0"),
        ({"top_k": 0, "temperature": 1}, "top_k must be a whole number of at least 1, got 0"),
        ({"top_k": 3, "top_p": 0.5}, "top_k and top_p count where tokens are drawn: give a temperature above 0"),
        ({"num_beams": 2, "temperature": 1}, "beams look for the most probable text: give them a temperature of 0"),
        ({"repetition_penalty": 0}, "repetition_penalty must be a number above 0, got 0"),
        ({"length_penalty": "1"}, r"length_penalty must be in \[-8, 8\], got '1'"),
        ({"length_penalty": -9.0}, r"length_penalty must be in \[-8, 8\], got -9.0"),
        ({"stop": ("a", "")}, "stop must be strings that are not empty"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"top_n": 3}, "unknown settings top_n; known are max_new_tokens, "),
    ],
)
def test_settings_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        GenerationSettings.of(None, options)


def test_settings_are_changed_by_name():
    changed = GenerationSettings.of(GenerationSettings(seed=3, stop="x"), {"max_new_tokens": 5})
    assert (changed.seed, changed.stop, changed.max_new_tokens) == (3, ("x",), 5)
