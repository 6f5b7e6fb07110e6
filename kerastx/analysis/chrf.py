"""chrF as sacreBLEU counts it: sequences of characters, of which blanks are none (Popović, 2015)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

MAX_ORDER = 6
BETA = 2  # recall counts so many times as much as precision


def corpus_chrf(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return chrF, 0 to 100, of texts against one reference each (https://aclanthology.org/W15-3049).

    It is sacreBLEU's `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no`, chrF2.

    Raises:
        ValueError: there are no texts, or not as many references.
    """
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(f"expected a reference for each text, got {len(hypotheses)} and {len(references)}.")
    precisions, recalls = [], []
    for order in range(1, MAX_ORDER + 1):
        shared = found = wanted = 0
        for hypothesis, reference in zip(hypotheses, references, strict=True):
            have, expected = _ngrams(hypothesis, order), _ngrams(reference, order)
            shared += (have & expected).total()
            found += have.total() if expected else 0  # a text without a reference so long tells nothing
            wanted += expected.total()
        if found and wanted:
            precisions.append(shared / found)
            recalls.append(shared / wanted)
    if not sum(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _ngrams(text: str, order: int) -> Counter[str]:
    text = "".join(text.split())
    return Counter(text[start : start + order] for start in range(len(text) - order + 1))
