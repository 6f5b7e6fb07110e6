"""Exact match and F1 of SQuAD and CMRC 2018 beside second readings of their definitions, on odd answers.

transformers has a copy of SQuAD's own program up to its version 4; it is asked too where it is there.
"""

from __future__ import annotations

import re
import string
from types import SimpleNamespace

import numpy as np
import pytest

from kerastx.analysis.question_scores import chinese_score, english_score

PIECES = "the The a an cat Cats dog 3.50 1,000 U.S. well-known — “quoted” “a” 's ... naïve İstanbul ½ 北京 ! $5 a_b THE"
CHINESE = "北京 上 海 ， 。 《 》 NBA nba 3.5 - · … ω （ 年 第1届 3,000"
MARKS = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


def rows(pieces, count, longest):
    """(answer, right answers), of which some are the answer with a piece more or less."""
    random = np.random.default_rng(12)
    pieces = [*pieces.split(" "), "", " ", "\u00a0", "\u200b", "another", "("]

    def text():
        return random.choice([" ", "", "  "]).join(random.choice(pieces, random.integers(0, longest)))

    for _ in range(count):
        given = text()
        near = random.choice([given, f"{given} {random.choice(pieces)}", text()])
        yield str(given), [str(one) for one in (near, text(), text())[: random.integers(0, 4)]]


def best(given, right, score):
    return tuple(max(score(given, one)[place] for one in right) for place in range(2))


def english_words(text):
    kept = "".join(one for one in text.lower() if one not in string.punctuation)
    return "".join(" " if one in ("a", "an", "the") else one for one in re.findall(r"\w+|\W+", kept)).split()


def english_pair(given, right):
    own, other = english_words(given), english_words(right)
    left, same = list(other), 0
    for word in own:
        if word in left:
            left.remove(word)
            same += 1
    if not own or not other:
        return float(own == other), float(own == other)
    precision, recall = same / len(own), same / len(other)
    return float(own == other), 2 * precision * recall / (precision + recall) if same else 0.0


def test_english_scores_are_those_of_a_second_reading():
    for given, right in rows(PIECES, 5000, 5):
        answers = [one for one in right if english_words(one)] or [""]
        assert english_score(given, right) == pytest.approx(best(given, answers, english_pair)), (given, right)


def test_english_scores_are_those_of_torchmetrics():
    squad = pytest.importorskip("torchmetrics.functional.text", reason="pip install 'kerastx[parity]'").squad
    for given, right in rows(PIECES, 3000, 5):
        if not right or not all(english_words(one) for one in right):
            continue  # version 2 leaves answers without a word out; this program is that of version 1.1
        answers = {"text": right, "answer_start": [0] * len(right)}
        found = squad([{"prediction_text": given, "id": "q"}], [{"answers": answers, "id": "q"}])
        expected = [float(found["exact_match"]) / 100, float(found["f1"]) / 100]
        assert english_score(given, right) == pytest.approx(expected, abs=1e-6), (given, right)


def test_english_scores_are_those_of_transformers():
    metrics = pytest.importorskip(
        "transformers.data.metrics.squad_metrics", reason="transformers has it up to version 4 only"
    )
    for given, right in rows(PIECES, 5000, 5):
        example = SimpleNamespace(qas_id="q", answers=[{"text": text} for text in right])
        exact, f1 = metrics.get_raw_scores([example], {"q": given})
        assert english_score(given, right) == (exact["q"], pytest.approx(f1["q"])), (given, right)


def bare(text):
    return "".join(one for one in text.lower().strip() if one not in MARKS)


def chinese_pieces(text):
    """An ideograph stands alone, other words end at blanks and at single signs, but for the point in a number."""
    found, word = [], ""
    for character in bare(text):
        if "\u4e00" <= character <= "\u9fa5" or character.isspace():
            found += [word, character.strip()]
            word = ""
        else:
            word += character
    return [part for word in [*found, word] for part in re.split(r"([^\w.,]|[.,](?!\w)|(?<!\w)[.,])", word) if part]


def longest_common_part(first, second):
    def holds(part):
        return any(second[place : place + len(part)] == part for place in range(len(second) + 1))

    parts = (first[start:stop] for start in range(len(first)) for stop in range(start, len(first) + 1))
    return max((len(part) for part in parts if holds(part)), default=0)


def chinese_pair(given, right):
    own, other = chinese_pieces(given), chinese_pieces(right)
    same = longest_common_part(own, other)
    f1 = 0.0
    if same:
        precision, recall = same / len(own), same / len(other)
        f1 = 2 * precision * recall / (precision + recall)
    return float(bare(given) == bare(right)), f1


def test_chinese_scores_are_those_of_a_second_reading():
    for given, right in rows(CHINESE, 3000, 6):
        expected = best(given, right, chinese_pair) if right else (float(not given),) * 2
        assert chinese_score(given, right) == pytest.approx(expected), (given, right)
