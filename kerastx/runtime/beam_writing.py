"""Texts written with beams: the loop around `BeamSearch`, for several prompts at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kerastx.runtime.beams import BeamSearch
from kerastx.runtime.decoding import Beginning, Decoder, GeneratedText, Language
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.sampling import adjusted, log_softmax
from kerastx.runtime.text_stream import TextStream


class _Row:
    """The beams of one text."""

    def __init__(self, beginning: Beginning, language: Language, settings: GenerationSettings):
        self.beginning = beginning
        self.language = language
        self.settings = settings
        self.search = BeamSearch(
            settings,
            max_new_tokens=beginning.max_new_tokens,
            end_ids=language.end_ids,
            begun=beginning.begun,
            is_stopped=self._is_stopped if settings.stop else lambda tokens: False,
        )

    def step(self, logits: np.ndarray, memory: np.ndarray) -> np.ndarray:
        """Add a token to each beam, with the logits float (K, V); return their parents, int32 (K,).

        Memory is float64 (2, K, V), to be written to: new memory would cost more than the sums.
        """
        log_probabilities, scores = memory
        log_softmax(logits, out=log_probabilities)
        for row, out, beam in zip(log_probabilities, scores, self.search.running, strict=True):
            adjusted(
                row,
                (*self.beginning.token_ids, *beam.tokens),
                self.settings,
                num_new=len(beam.tokens),
                end_ids=self.language.end_ids,
                never_ids=self.language.never_ids,
                out=out,
            )
        return self.search.step(scores, log_probabilities)

    def result(self) -> GeneratedText:
        best = self.search.best
        stream = self._stream(best.tokens)
        stream.end()
        has_ended = not best.tokens or best.tokens[-1] in self.language.end_ids
        finish = "end" if has_ended else "stop" if stream.is_stopped else "length"
        return GeneratedText(stream.text, best.tokens, best.log_probability, finish)

    def _is_stopped(self, tokens: tuple[int, ...]) -> bool:
        return self._stream(tokens).is_stopped

    def _stream(self, tokens: tuple[int, ...]) -> TextStream:
        stream = TextStream(self.language.decode, before=self.beginning.shown, stop=self.settings.stop)
        stream.add(*(token for token in tokens if token not in self.language.end_ids))
        return stream


def write_with_beams(
    decoder: Decoder, beginnings: Sequence[Beginning], language: Language, settings: GenerationSettings
) -> Iterator[tuple[int, str | GeneratedText]]:
    """Yield the text of each row and then its result; see `kerastx.runtime.writing.write`."""
    count = settings.num_beams
    rows = {number: _Row(one, language, settings) for number, one in enumerate(beginnings) if one.max_new_tokens}
    for number in sorted(set(range(len(beginnings))) - set(rows)):
        yield number, GeneratedText("", (), 0.0, "length")
    # Every beam of a row begins as the row does.
    places = np.repeat(np.array(list(rows), np.int32), count)
    logits = decoder.begin()[places]
    memory = np.empty((2, count, logits.shape[1]))
    while rows:
        parents: list[np.ndarray] = []
        for index, (number, row) in enumerate(list(rows.items())):
            own = slice(index * count, (index + 1) * count)
            chosen = row.step(logits[own], memory)
            if row.search.is_done:
                del rows[number]
                result = row.result()
                if result.text:
                    yield number, result.text
                yield number, result
            else:
                parents.append(places[own][chosen])
        if rows:
            tokens = [beam.tokens[-1] for row in rows.values() for beam in row.search.running]
            logits = decoder.go_on(np.array(tokens, np.int32), np.concatenate(parents))
            places = np.arange(len(tokens), dtype=np.int32)
