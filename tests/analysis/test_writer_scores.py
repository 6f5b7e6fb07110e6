"""Perplexity and bits per byte by hand; what is written comes back in order."""

from __future__ import annotations

import math

import numpy as np
import pytest
import writing_checkpoints

from kerastx.analysis.held_rows import HeldRows, pair_rows, text_rows
from kerastx.analysis.writer_scores import held_scores, perplexity_scores, write_all, written_scores
from kerastx.checkpoint.generating import generator_of, vocabularies_of
from kerastx.checkpoint.text_scores import score, scorer_of
from kerastx.data.held_text import HeldText
from kerastx.data.text_pairs import TextPairs
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.text_probabilities import Row


def quiet(phase, done, total):
    pass


def test_perplexity_and_bits_by_hand():
    rows = HeldRows([Row(np.zeros(3, np.int32), 2), Row(np.zeros(4, np.int32), 2)], num_bytes=8)
    scores = perplexity_scores(4 * math.log(1 / 16), rows)
    assert scores == {"perplexity": pytest.approx(16), "bits_per_byte": pytest.approx(2), "tokens": 4}
    assert "bits_per_byte" not in perplexity_scores(-1.0, HeldRows(rows.rows))


def test_a_short_document_is_as_probable_as_score_says():
    checkpoint = writing_checkpoints.language_model()
    texts = ["the cat sat", "a dog ran over the hill"]
    rows = text_rows(vocabularies_of(checkpoint), HeldText([[text] for text in texts]))
    found = score(checkpoint, texts)
    tokens = sum(len(one.tokens) for one in found)
    reported: list[tuple[str, int, int]] = []
    scores = held_scores(scorer_of(checkpoint), rows, lambda *progress: reported.append(progress))
    expected = math.exp(-sum(one.log_probability for one in found) / tokens)
    assert scores["perplexity"] == pytest.approx(expected, rel=1e-5)
    assert scores["tokens"] == tokens
    assert reported == [("reading", 0, 2), ("reading", 2, 2)]


def test_targets_are_as_probable_as_score_says():
    checkpoint = writing_checkpoints.seq2seq()
    pairs = TextPairs(["the cat", "who ate the cake?"], ["a dog", "rain fell on the town"])
    found = score(checkpoint, pairs.sources, pairs.targets)
    scores = held_scores(scorer_of(checkpoint), pair_rows(vocabularies_of(checkpoint), pairs), quiet)
    expected = math.exp(-sum(one.log_probability for one in found) / sum(len(one.tokens) for one in found))
    assert scores["perplexity"] == pytest.approx(expected, rel=1e-5)


def test_what_is_written_comes_in_the_order_of_the_sources(monkeypatch):
    checkpoint = writing_checkpoints.ending_seq2seq()
    sources = ["who ate the cake?", "the", "a dog ran", "rain fell on the grey town"]
    settings = GenerationSettings(max_new_tokens=6)
    monkeypatch.setattr("kerastx.analysis.writer_scores.WRITTEN_AT_ONCE", 2)
    written = write_all(generator_of(checkpoint), sources, settings, quiet)
    assert written == [one.text for one in checkpoint.generate(sources, settings=settings)]


def test_the_right_texts_have_full_scores():
    pairs = TextPairs(["x", "y"], ["the cat sat on the mat", "a dog ran"], [["one more"], []])
    assert written_scores(["the cat sat on the mat", "a dog ran"], pairs) == pytest.approx(
        dict.fromkeys(("bleu", "chrf", "rouge1", "rouge2", "rougeL"), 100)
    )
    best = written_scores(["one more", "a dog ran"], pairs)
    assert (best["rouge1"], best["bleu"] < 100) == (pytest.approx(100), True)
