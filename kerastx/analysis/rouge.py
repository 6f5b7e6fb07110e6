"""ROUGE-1, ROUGE-2 and ROUGE-L: how many words and pairs of words a summary shares with another one (Lin, 2004)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

# A word, or a single character of a script without blanks between words.
_WORD = re.compile("[\u3040-\u30ff\u3400-\u9fff]|[^\\W_\u3040-\u30ff\u3400-\u9fff]+")


def rouge(hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]) -> dict[str, float]:
    """Return the mean F1, 0 to 100, of texts against their references, as "rouge1", "rouge2" and "rougeL".

    Case and punctuation do not matter, and no word is stemmed. Chinese characters and Japanese kana are words. Of
    several references of a text the best counts, for each of the three by itself. Of ASCII texts these are the scores
    of `rouge_score`, which knows no other letters and digits: to it "naïve" is the two words "na" and "ve", and
    "β" none.

    Args:
        hypotheses: the texts.
        references: a text for each, or a list of texts.

    Raises:
        ValueError: there are no texts, or a text has no reference.
    """
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(f"expected a reference for each text, got {len(hypotheses)} and {len(references)}.")
    totals = {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}
    for number, (hypothesis, reference) in enumerate(zip(hypotheses, references, strict=True)):
        several = [reference] if isinstance(reference, str) else reference
        if not several:
            raise ValueError(f"expected a reference for each text, got none for number {number}.")
        found = _words(hypothesis)
        scores = [_scores(found, _words(one)) for one in several]
        for name in totals:
            totals[name] += max(score[name] for score in scores)
    return {name: 100 * total / len(hypotheses) for name, total in totals.items()}


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _scores(found: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    scores = {"rougeL": _f1(_longest_common(found, wanted), len(found), len(wanted))}
    for order in (1, 2):
        have, expected = _ngrams(found, order), _ngrams(wanted, order)
        scores[f"rouge{order}"] = _f1((have & expected).total(), have.total(), expected.total())
    return scores


def _ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))


def _f1(shared: int, found: int, wanted: int) -> float:
    return 2 * shared / (found + wanted) if shared else 0.0


def _longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest sequence of words that stands in both, with others between them or not."""
    lengths = [0] * (len(second) + 1)
    for word in first:
        before = 0
        for place, other in enumerate(second, 1):
            before, lengths[place] = (
                lengths[place],
                before + 1 if word == other else max(lengths[place], lengths[place - 1]),
            )
    return lengths[-1]
