"""Whether a file writes what Keras writes with the most probable token at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerastx.checkpoint.generating import steps_of, vocabularies_of
from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.text_scores import scorer_of
from kerastx.runtime.decoding import Beginning, GeneratedText
from kerastx.runtime.generation import Vocabularies
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.sampling import log_softmax
from kerastx.runtime.step_decoder import StepDecoder, Steps
from kerastx.runtime.text_probabilities import Row
from kerastx.runtime.writing import write
from kerastx.text.encoding import Encoding

TEXTS, PROMPT, NEW_TOKENS = 16, 12, 24
SETTINGS = GenerationSettings(max_new_tokens=NEW_TOKENS)


@dataclass(frozen=True)
class GreedyParity:
    """Greedy texts of a file beside those of Keras.

    Attributes:
        texts: that both wrote.
        tokens: that Keras wrote.
        same_tokens: of those, the ones before the first that differs in each text.
        largest_gap: how much more probable to Keras its own token was than that of the file where a text first
            differed, a difference of log-probabilities; 0 where no text did. Next to nothing is a tie.
    """

    texts: int
    tokens: int
    same_tokens: int
    largest_gap: float


class GreedyTexts:
    """What Keras writes, to hold files against.

    Args:
        checkpoint: a language model or an encoder-decoder.
        texts: strings, whose first tokens are gone on from, or which are the sources.
    """

    def __init__(self, checkpoint: Checkpoint, texts: Sequence[str]):
        self._checkpoint = checkpoint
        vocabularies = vocabularies_of(checkpoint)
        chosen = [text for text in texts if text.strip()][:TEXTS]
        self._beginnings, self._sources = _beginnings(vocabularies, chosen)
        self._written = self._write(steps_of(checkpoint))

    def compare(self, steps: Steps) -> GreedyParity:
        """Compare what the steps of a file write."""
        same, gaps = 0, [0.0]
        for number, (expected, found) in enumerate(zip(self._written, self._write(steps), strict=True)):
            length = _same_length(expected, found)
            same += length
            if expected != found:
                gaps.append(self._gap(number, expected, found, length))
        return GreedyParity(len(self._written), sum(map(len, self._written)), same, float(np.max(gaps)))

    def _write(self, steps: Steps) -> list[tuple[int, ...]]:
        vocabularies = vocabularies_of(self._checkpoint)
        reader, sources = vocabularies.source_tokenizer, self._sources
        padded = None if reader is None or sources is None else reader.pad(sources)
        decoder = StepDecoder(steps, self._beginnings, padded)
        results = write(decoder, self._beginnings, vocabularies.language, SETTINGS)
        written = {place: what.token_ids for place, what in results if isinstance(what, GeneratedText)}
        return [written[place] for place in range(len(self._beginnings))]

    def _gap(self, number: int, expected: tuple[int, ...], found: tuple[int, ...], length: int) -> float:
        if length in (len(expected), len(found)):  # one could choose nothing: its logits are no numbers
            return np.inf
        # A row's last token is not read, and any will do.
        token_ids = np.array([*self._beginnings[number].token_ids, *expected[:length], 0], np.int32)
        scorer = scorer_of(self._checkpoint)
        row = Row(token_ids, 1, None if self._sources is None else self._sources[number])
        *_, logits = scorer.read(scorer.batch([row]))
        values = log_softmax(logits[0])
        return float(values[expected[length]] - values[found[length]])


def _beginnings(vocabularies: Vocabularies, texts: list[str]) -> tuple[list[Beginning], list[Encoding] | None]:
    if vocabularies.source_tokenizer is not None:
        return vocabularies.beginnings(texts, SETTINGS)
    tokenizer = vocabularies.tokenizer
    beginnings = []
    for number, ids in enumerate(tokenizer.encode_ids(texts)):
        kept = ids[: min(PROMPT, vocabularies.places // 2)].tolist()
        prompt = (*tokenizer.template.before, *kept) or tokenizer.begin_ids
        room = min(NEW_TOKENS, vocabularies.places - len(prompt))
        beginnings.append(Beginning(token_ids=prompt, max_new_tokens=room, number=number))
    return beginnings, None


def _same_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens are the same before the first that differs."""
    for place, (first, second) in enumerate(zip(one, other, strict=False)):
        if first != second:
            return place
    return min(len(one), len(other))
