"""How well questions are answered."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from kerastx.data.questions import QuestionData
from kerastx.runtime.answers import Answer

_FARTHEST = 1e4
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
# What CMRC 2018 leaves out of both sides, and what it cuts apart into single characters.
_CHINESE_MARKS = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_CHINESE_MARKS_OUT = str.maketrans("", "", "".join(_CHINESE_MARKS))
_CHINESE_PIECES = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+(?:[.,][^\W\u4e00-\u9fa5]+)*|[^\w\s]")


def question_scores(answer: Callable[[list[str], list[str]], list[Answer]], data: QuestionData) -> dict[str, float]:
    """Return exact_match and f1 of what `answer` finds, 0 to 1, as SQuAD or, for Chinese, CMRC 2018 defines them.

    With questions that have no answer also the shares of these, and of the others, that are answered rightly.
    """
    found = answer([question.text for question in data.questions], [question.context for question in data.questions])
    rows = score_rows(data, [one.text for one in found])
    scores = {"f1": float(rows[:, 1].mean()), "exact_match": float(rows[:, 0].mean())}
    has_answer = np.array([bool(question.answers) for question in data.questions])
    if data.has_unanswerable and has_answer.any():
        scores["f1_of_answerable"] = float(rows[has_answer, 1].mean())
        scores["no_answer_accuracy"] = float(rows[~has_answer, 0].mean())
    return scores


def score_rows(data: QuestionData, texts: Sequence[str]) -> np.ndarray:
    """Return exact match and F1 of the text given to each question, "" for no answer: float64 (N, 2)."""
    score = chinese_score if data.is_chinese else english_score
    return np.array(
        [
            score(text, [answer.text for answer in question.answers])
            for question, text in zip(data.questions, texts, strict=True)
        ]
    ).reshape(-1, 2)


def best_threshold(answer: Callable[[list[str], list[str]], list[Answer]], data: QuestionData) -> float:
    """Return from where on "no answer" is to be said, so that the mean F1 of the questions is the highest.

    Args:
        answer: of a model with a threshold.
        data: questions that were not trained on.

    Returns:
        A threshold for `Answer.no_answer_score`: midway between two of the questions'.
    """
    found = answer([question.text for question in data.questions], [question.context for question in data.questions])
    texts = [next((one.text for one in answer.candidates if one.text), "") for answer in found]
    above = np.array([np.inf if one.no_answer_score is None else one.no_answer_score for one in found])
    gain = score_rows(data, texts)[:, 1] - score_rows(data, [""] * len(data))[:, 1]
    order = np.argsort(above, kind="stable")
    # After the first k in this order "no answer" is said: the F1 of these answers counts, and not that of the others.
    totals = np.concatenate([[0.0], np.cumsum(gain[order])])
    finite = np.clip(above[order], -_FARTHEST, _FARTHEST)
    edges = np.concatenate([[finite[0] - 1.0], (finite[:-1] + finite[1:]) / 2, [finite[-1] + 1.0]])
    # Between equal scores no threshold can stand.
    possible = np.concatenate([[True], finite[:-1] < finite[1:], [True]])
    return float(edges[np.where(possible, totals, -np.inf).argmax()])


def english_score(given: str, right: Sequence[str]) -> tuple[float, float]:
    """Return exact match and F1 of an answer, the best over the right ones (Rajpurkar et al., 2016 and 2018).

    Compared without case, punctuation, articles and white space; F1 counts words. Without a right answer, or only such
    that nothing is left of, the right one is none: then both are 1 for no answer and 0 for any.
    """
    answers = [words for words in map(_words, right) if words] or [[]]
    own = _words(given)
    return max(float(own == words) for words in answers), max(_word_f1(own, words) for words in answers)


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def _word_f1(given: list[str], right: list[str]) -> float:
    if not given or not right:
        return float(given == right)
    same = sum((Counter(given) & Counter(right)).values())
    return 2 * same / (len(given) + len(right))


def chinese_score(given: str, right: Sequence[str]) -> tuple[float, float]:
    """Return exact match and F1 of an answer, the best over the right ones (Cui et al., 2019: CMRC 2018).

    Compared without case and punctuation. F1 counts ideographs, and words of other scripts; what both have in common is
    their longest run of the same ones. Without a right answer both are 1 for no answer and 0 for any.
    """
    if not right:
        return float(not given), float(not given)
    own = _chinese_pieces(given)
    exact = max(_bare(given) == _bare(text) for text in right)
    return float(exact), max(_run_f1(own, _chinese_pieces(text)) for text in right)


def _bare(text: str) -> str:
    return text.lower().strip().translate(_CHINESE_MARKS_OUT)


def _chinese_pieces(text: str) -> list[str]:
    return _CHINESE_PIECES.findall(_bare(text))


def _run_f1(given: list[str], right: list[str]) -> float:
    same = _longest_run(given, right)
    return 2 * same / (len(given) + len(right)) if same else 0.0


def _longest_run(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common run of pieces."""
    longest = 0
    row = [0] * (len(second) + 1)
    for one in first:
        row = [0, *(before + 1 if one == other else 0 for before, other in zip(row, second, strict=False))]
        longest = max(longest, *row)
    return longest
