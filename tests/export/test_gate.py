"""What a file must hold to be kept; each refusal names what was measured."""

from __future__ import annotations

import math

import pytest

from kerastx.errors import ExportError
from kerastx_export.agreement import Agreement, Correlation, Similarity
from kerastx_export.gate import check_differences, check_parity
from kerastx_export.parity import Difference, Parity
from kerastx_export.recipes import RECIPES


def parity(*, logits=0.0, clear_share=1.0, mean_drift=0.0) -> Parity:
    return Parity(
        differences=[Difference("logits", logits, "one text"), Difference("probabilities", 0.0, "two texts")],
        agreement=Agreement(texts=200, share=0.9, clear_texts=150, clear_share=clear_share, mean_drift=mean_drift),
    )


@pytest.mark.parametrize(
    ("recipe", "found"),
    [
        ("fp32", parity(logits=1e-4)),
        ("fp16", parity(logits=1e-2)),
        ("dynamic_wi8_afp32", parity(logits=3.0, clear_share=0.97, mean_drift=0.05)),
    ],
)
def test_a_file_at_the_edge_is_kept(recipe, found):
    check_parity(RECIPES[recipe], found)


@pytest.mark.parametrize(
    ("recipe", "found", "message"),
    [
        ("fp32", {"logits": 1.1e-4}, r"fp32: logits is 0.00011 away from Keras for one text; at most 0.0001 is"),
        ("fp16", {"logits": 0.011}, r"fp16: logits is 0.011 away from Keras for one text; at most 0.01 is allowed"),
        ("fp32", {"clear_share": 0.99}, r"fp32: decides like Keras on 99.0% of 150 texts with a clear decision; at l"),
        ("dynamic_wi8_afp32", {"clear_share": 0.96}, r"decides like Keras on 96.0% of 150 texts .* at least 97% is"),
        ("dynamic_wi8_afp32", {"mean_drift": 0.051}, r"moves the probabilities of a text by 0.051 on average; at mo"),
        ("fp32", {"mean_drift": math.nan}, r"fp32: moves the probabilities of a text by nan on average"),
        ("dynamic_wi8_afp32", {"mean_drift": math.nan}, r"moves the probabilities of a text by nan on average"),
        ("dynamic_wi8_afp32", {"logits": math.inf}, r"afp32: logits is not finite or of another shape for one text"),
        ("fp16", {"logits": math.nan}, r"fp16: logits is not finite or of another shape for one text"),
    ],
)
def test_a_file_beyond_it_is_refused(recipe, found, message):
    with pytest.raises(ExportError, match=message):
        check_parity(RECIPES[recipe], parity(**found))


def test_every_output_is_held_to_the_tolerance():
    differences = [Difference("logits", 0.0, "one text"), Difference("probabilities", 0.5, "3 × 1 random tokens")]
    with pytest.raises(ExportError, match=r"fp32: probabilities is 0.5 away from Keras for 3 × 1 random tokens"):
        check_differences(RECIPES["fp32"], differences)


def scored(mean_difference: float) -> Parity:
    return Parity([], Correlation(texts=200, spearman=0.9, pearson=0.9, mean_difference=mean_difference))


def vectors(mean_cosine: float) -> Parity:
    return Parity([], Similarity(texts=200, mean_cosine=mean_cosine, lowest_cosine=0.5))


def test_scores_and_vectors_at_the_edge_are_kept():
    check_parity(RECIPES["dynamic_wi8_afp32"], scored(0.1))
    check_parity(RECIPES["dynamic_wi8_afp32"], vectors(0.99))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (scored(0.101), r"^fp16: moves the score of a text by 0.101 standard deviations on average; at most 0.1 is"),
        (scored(math.nan), r"^fp16: moves the score of a text by nan standard deviations on average"),
        (vectors(0.9899), r"^fp16: the vectors of file and Keras have a mean cosine of 0.9899; at least 0.99 is asked"),
        (vectors(math.nan), r"^fp16: the vectors of file and Keras have a mean cosine of nan"),
    ],
)
def test_scores_and_vectors_beyond_it_are_refused(found, message):
    with pytest.raises(ExportError, match=message):
        check_parity(RECIPES["fp16"], found)


def test_the_tolerance_of_a_score_grows_with_the_scores():
    check_differences(RECIPES["fp32"], [Difference("score", 0.01, "one text", scale=1000.0)])
    with pytest.raises(ExportError, match=r"score is 0.2 away from Keras for one text; at most 0.1 is allowed"):
        check_differences(RECIPES["fp32"], [Difference("score", 0.2, "one text", scale=1000.0)])
