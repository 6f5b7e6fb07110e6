"""BLEU as sacreBLEU counts it: case matters, punctuation is a word (Post, 2018, https://arxiv.org/abs/1804.08771)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

MAX_ORDER = 4
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
# Of mteval-v13a, "13a" in sacreBLEU's signature.
_RULES = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return BLEU, 0 to 100, of texts against one reference each (Papineni et al., 2002).

    It is sacreBLEU's `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp`.

    Raises:
        ValueError: there are no texts, or not as many references.
    """
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(f"expected a reference for each text, got {len(hypotheses)} and {len(references)}.")
    correct, total = [0] * MAX_ORDER, [0] * MAX_ORDER
    length = reference_length = 0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        words, wanted = split_13a(hypothesis), split_13a(reference)
        length, reference_length = length + len(words), reference_length + len(wanted)
        for order in range(1, MAX_ORDER + 1):
            found, expected = _ngrams(words, order), _ngrams(wanted, order)
            correct[order - 1] += (found & expected).total()
            total[order - 1] += found.total()
    if not correct[0] or not total[-1]:
        return 0.0
    penalty = min(0.0, 1 - reference_length / length)
    return 100 * math.exp(penalty + sum(map(math.log, _precisions(correct, total))) / MAX_ORDER)


def split_13a(text: str) -> list[str]:
    """Return the words of a text, and its punctuation."""
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    text = f" {text} "
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.split()


def _ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))


def _precisions(correct: Sequence[int], total: Sequence[int]) -> list[float]:
    """Return the share of n-grams that are right; where none is, 1/2, 1/4, ... of one counts as right."""
    found, smoothing = [], 1.0
    for right, count in zip(correct, total, strict=True):
        if not right:
            smoothing /= 2
        found.append((right or smoothing) / count)
    return found
