"""The gate of files that write: good ones of tiny models pass, broken ones do not."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import writing_checkpoints

from kerastx.analysis.held_rows import text_rows
from kerastx.analysis.writer_scores import held_scores
from kerastx.checkpoint.generating import steps_of, vocabularies_of
from kerastx.data.held_text import HeldText
from kerastx.errors import ExportError
from kerastx.runtime.text_scores import step_scorer
from kerastx_export.greedy_parity import GreedyParity, GreedyTexts
from kerastx_export.probe_texts import probe_texts
from kerastx_export.recipes import RECIPES
from kerastx_export.step_parity import StepParity, check, check_greedy, compare, compare_rows

FP32, FP16, INT8 = RECIPES["fp32"], RECIPES["fp16"], RECIPES["dynamic_wi8_afp32"]
GOOD = StepParity(
    tokens=320, max_difference=1e-5, mean_cosine=0.9998, same_best=0.98, perplexity=50.1, keras_perplexity=50.0
)


class ChangedSteps:
    """The steps of Keras, but for the logits or the place of tokens."""

    def __init__(self, checkpoint, *, noise: float = 0.0, tie: float = 0.0, is_forgetful: bool = False):
        self._steps = steps_of(checkpoint)
        self._noise, self._tie, self._is_forgetful = noise, tie, is_forgetful
        self._random = np.random.default_rng(5)

    def __getattr__(self, name):
        return getattr(self._steps, name)

    def step(self, token_ids, positions, cache, *, first_slot, source):
        if self._is_forgetful and first_slot:
            cache = self._steps.empty_cache(len(token_ids), self._steps.slots(cache))
        logits, cache = self._steps.step(token_ids, positions, cache, first_slot=first_slot, source=source)
        logits = np.array(logits)
        if self._tie:  # the second best is now the best, by next to nothing
            best, second = np.argsort(-logits, axis=-1)[:, :2].T
            rows = np.arange(len(logits))
            near = logits[rows, best] - logits[rows, second] < self._tie
            logits[rows[near], second[near]] = logits[rows[near], best[near]] + 1e-5
        return logits + self._noise * logits.std() * self._random.normal(size=logits.shape), cache


def checkpoint_of(name: str):
    return writing_checkpoints.seq2seq("transformer") if name == "transformer" else writing_checkpoints.language_model()


@pytest.mark.parametrize("name", ["gpt2", "transformer"])
def test_good_files_pass(name):
    checkpoint = checkpoint_of(name)
    same = compare(checkpoint, ChangedSteps(checkpoint))
    assert (same.max_difference, same.same_best) == (pytest.approx(0, abs=1e-6), 1.0)
    assert (same.mean_cosine, same.perplexity) == (pytest.approx(1), pytest.approx(same.keras_perplexity))
    check(FP32, same)
    check(INT8, compare(checkpoint, ChangedSteps(checkpoint, noise=0.03)))


@pytest.mark.parametrize("logits_at_once", [1, 2**25], ids=["in steps", "at once"])
def test_rows_are_compared_however_keras_reads_them(monkeypatch, logits_at_once):
    checkpoint = checkpoint_of("gpt2")
    vocabularies, done = vocabularies_of(checkpoint), []
    rows = text_rows(vocabularies, HeldText([["the cat sat on the mat " * 8], ["rain fell"]]))
    scorer = step_scorer(vocabularies, ChangedSteps(checkpoint))
    monkeypatch.setattr("kerastx.checkpoint.text_scores.LOGITS_AT_ONCE", logits_at_once)
    found = compare_rows(checkpoint, scorer, rows, done.append)
    expected = held_scores(scorer, rows, lambda phase, done, total: None)
    assert (found.tokens, done[-1]) == (expected["tokens"], len(rows.rows))
    assert found.perplexity == pytest.approx(expected["perplexity"], rel=1e-6)
    assert found.keras_perplexity == pytest.approx(expected["perplexity"], rel=1e-5)
    assert (found.same_best, found.max_difference < 1e-4) == (1.0, True)


@pytest.mark.parametrize("name", ["gpt2", "transformer"])
@pytest.mark.parametrize("broken", [{"noise": 0.2}, {"is_forgetful": True}], ids=["noise", "forgetful"])
def test_broken_files_do_not(name, broken):
    checkpoint = checkpoint_of(name)
    found = compare(checkpoint, ChangedSteps(checkpoint, **broken))
    with pytest.raises(ExportError, match=r"^fp32: a log-probability differs from Keras by .*; at most 0.001 is"):
        check(FP32, found)
    with pytest.raises(ExportError, match=r"^dynamic_wi8_afp32: the logits of file and Keras have a mean cosine of 0"):
        check(INT8, found)


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        (FP32, {"max_difference": 2e-3}, "differs from Keras by 0.002; at most 0.001 is allowed"),
        (FP16, {"max_difference": 0.2}, "differs from Keras by 0.2; at most 0.1 is allowed"),
        (FP32, {"max_difference": math.nan}, "differs from Keras by nan"),
        (INT8, {"mean_cosine": 0.99}, "a mean cosine of 0.9900"),
        (INT8, {"mean_cosine": math.nan}, "a mean cosine of nan"),
        (INT8, {"perplexity": 52.0}, "a ratio of 1.040; at least 0.995 and, to either side, at most 1.027 are asked"),
        (INT8, {"perplexity": 48.0}, "a ratio of 0.960"),
        (INT8, {"perplexity": 50.8, "tokens": 100_000}, "of 100,000 tokens a ratio of 1.016; .* at most 1.011"),
        (INT8, {"perplexity": math.nan}, "a ratio of nan"),
        (INT8, {"perplexity": math.inf}, "a ratio of inf"),
    ],
)
def test_what_a_recipe_allows(recipe, change, message):
    check(recipe, GOOD)
    with pytest.raises(ExportError, match=message):
        check(recipe, dataclasses.replace(GOOD, **change))


@pytest.mark.parametrize("name", ["gpt2", "transformer"])
def test_greedy_texts_are_compared_up_to_the_first_other_token(name):
    checkpoint = checkpoint_of(name)
    texts = GreedyTexts(checkpoint, probe_texts())
    same = texts.compare(ChangedSteps(checkpoint))
    assert (same.texts, same.same_tokens, same.largest_gap) == (16, same.tokens, 0.0)
    check_greedy(FP32, same)
    other = texts.compare(ChangedSteps(checkpoint, noise=0.5))
    assert other.tokens == same.tokens
    assert 0 < other.same_tokens < other.tokens
    with pytest.raises(ExportError, match=rf"^fp32: writes {other.same_tokens} of {other.tokens} tokens as Keras does"):
        check_greedy(FP32, other)
    check_greedy(INT8, other)


def test_a_tie_may_be_decided_either_way():
    checkpoint = checkpoint_of("gpt2")
    found = GreedyTexts(checkpoint, probe_texts()).compare(ChangedSteps(checkpoint, tie=0.15))
    assert found.same_tokens < found.tokens
    assert 0 < found.largest_gap <= 0.15
    check_greedy(FP16, found)
    check_greedy(FP32, dataclasses.replace(found, largest_gap=1e-3))
    with pytest.raises(ExportError, match=r"whose log-probability is nan less; at most 0.002 is allowed"):
        check_greedy(FP32, GreedyParity(texts=1, tokens=2, same_tokens=1, largest_gap=math.nan))
