"""How good a model that writes is: perplexity of held text, and how like the right texts are to what it writes."""

from __future__ import annotations

import math
from collections.abc import Callable

from kerastx.analysis.bleu import corpus_bleu
from kerastx.analysis.chrf import corpus_chrf
from kerastx.analysis.held_rows import HeldRows
from kerastx.analysis.rouge import rouge
from kerastx.data.text_pairs import TextPairs
from kerastx.runtime.generation import Generator
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.text_scores import Scorer

WRITTEN_AT_ONCE = 64
# progress(phase, rows done, rows in all)
Progress = Callable[[str, int, int], None]


def perplexity_scores(log_probability: float, rows: HeldRows) -> dict[str, float]:
    """Return the scores that follow from the log-probability of all scored tokens together.

    Returns:
        perplexity of a token; bits_per_byte, which does not depend on the vocabulary, where the bytes are known;
        tokens, how many were scored.
    """
    scores = {"perplexity": math.exp(-log_probability / rows.num_tokens)}
    if rows.num_bytes:
        scores["bits_per_byte"] = -log_probability / math.log(2) / rows.num_bytes
    return {**scores, "tokens": rows.num_tokens}


def held_scores(scorer: Scorer, rows: HeldRows, progress: Progress) -> dict[str, float]:
    """Return the `perplexity_scores` of a model on rows."""
    total = len(rows.rows)
    progress("reading", 0, total)
    found = scorer.log_probabilities(rows.rows, on_done=lambda done: progress("reading", done, total))
    return perplexity_scores(math.fsum(float(values.sum()) for values in found), rows)


def write_all(
    generator: Generator,
    sources: list[str],
    settings: GenerationSettings,
    progress: Progress,
    *,
    phase: str = "writing",
) -> list[str]:
    """Return what is written for each source, of which those of like length are written together."""
    total = len(sources)
    order = sorted(range(total), key=lambda number: len(sources[number]))
    written: dict[int, str] = {}
    progress(phase, 0, total)
    for start in range(0, total, WRITTEN_AT_ONCE):
        numbers = order[start : start + WRITTEN_AT_ONCE]
        results = generator.generate([sources[number] for number in numbers], settings, batch_size=32)
        written |= zip(numbers, (one.text for one in results), strict=True)
        progress(phase, len(written), total)
    return [written[number] for number in range(total)]


def written_scores(written: list[str], pairs: TextPairs) -> dict[str, float]:
    """Return BLEU and chrF against the targets, and ROUGE-1, -2 and -L against the best of all references."""
    return {
        "bleu": corpus_bleu(written, pairs.targets),
        "chrf": corpus_chrf(written, pairs.targets),
        **rouge(written, pairs.references),
    }
