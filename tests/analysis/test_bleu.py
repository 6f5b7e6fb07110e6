"""BLEU against numbers that sacreBLEU 2.6.0 gave."""

from __future__ import annotations

import pytest

from kerastx.analysis.bleu import corpus_bleu, split_13a


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("the cat sat on a mat", "a dog sat there", 9.652434877402245),
        ("a b c d e", "a c b d f e", 13.07805922283835),
        ("The cat, aged 3.5-4, said: &quot;hi&quot; there.", 'The cat, aged 3.5, said: "hi" there!', 64.75445426291286),
        ("the cat", "the cat sat", 0.0),
        ("x y z w", "a b c d", 0.0),
        ("", "a b c d", 0.0),
    ],
)
def test_scores_are_those_of_sacrebleu(hypothesis, reference, expected):
    assert corpus_bleu([hypothesis], [reference]) == pytest.approx(expected, abs=1e-9)


def test_counts_are_of_the_whole_corpus():
    hypotheses, references = ["a b c d e", "x y"], ["a b c d e", "x z"]
    assert corpus_bleu(hypotheses, references) == pytest.approx(100 * (6 / 7 * 4 / 5 * 3 / 3 * 2 / 2) ** 0.25)
    assert corpus_bleu(references, references) == pytest.approx(100)


def test_punctuation_is_a_word_and_numbers_stay_whole():
    assert split_13a("Er sagt: (3,5-mal) z.B. 1.000!") == [
        "Er", "sagt", ":", "(", "3,5", "-", "mal", ")", "z", ".", "B", ".", "1.000", "!",
    ]  # fmt: skip


def test_a_reference_for_each_text_is_needed():
    with pytest.raises(ValueError, match="expected a reference for each text, got 1 and 2"):
        corpus_bleu(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="got 0 and 0"):
        corpus_bleu([], [])
