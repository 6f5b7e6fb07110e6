"""Texts written token by token, whatever computes the logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kerastx.runtime.beam_writing import write_with_beams
from kerastx.runtime.decoding import Beginning, Decoder, GeneratedText, Language
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.sampling import adjusted, choose, log_sum_exp
from kerastx.runtime.text_stream import TextStream


class _Row:
    """One text that is being written with one token at a time."""

    def __init__(self, beginning: Beginning, language: Language, settings: GenerationSettings, *, in_pieces: bool):
        self.beginning = beginning
        self.language = language
        self.settings = settings
        self.tokens: list[int] = []
        self.log_probability = 0.0
        self.finish = "" if beginning.max_new_tokens else "length"
        self.stream = TextStream(language.decode, before=beginning.shown, stop=settings.stop)
        self.in_pieces = in_pieces or bool(settings.stop)
        self._random = np.random.default_rng((settings.seed, beginning.number))

    def take(self, logits: np.ndarray, memory: np.ndarray) -> str:
        """Choose the next token, float (V,); return what there is to show of it.

        Memory is float64 (V,), to be written to: new memory would cost more than the choice.
        """
        scores = adjusted(
            logits,
            (*self.beginning.token_ids, *self.tokens),
            self.settings,
            num_new=len(self.tokens),
            end_ids=self.language.end_ids,
            never_ids=self.language.never_ids,
            out=memory,
        )
        token = choose(scores, self.settings, self._random)
        if token is None:
            self.finish = "end"
            return self._rest()
        self.tokens.append(token)
        self.log_probability += float(logits[token] - log_sum_exp(logits))
        if token in self.language.end_ids:
            self.finish = "end"
            return self._rest()
        piece = self.stream.add(token) if self.in_pieces else ""
        if self.stream.is_stopped:
            self.finish = "stop"
        elif len(self.tokens) >= self.beginning.max_new_tokens:
            self.finish = "length"
            piece += self._rest()
        return piece

    def _rest(self) -> str:
        if self.in_pieces:
            return self.stream.end()
        return (
            self.stream.add(*(token for token in self.tokens if token not in self.language.end_ids)) + self.stream.end()
        )

    def result(self) -> GeneratedText:
        return GeneratedText(self.stream.text, tuple(self.tokens), self.log_probability, self.finish)


def write(
    decoder: Decoder,
    beginnings: Sequence[Beginning],
    language: Language,
    settings: GenerationSettings,
    *,
    in_pieces: bool = True,
) -> Iterator[tuple[int, str | GeneratedText]]:
    """Yield what becomes of each row: pieces of its text, whose concatenation is the text, and at its end the result.

    With several beams no text is certain before its end: there is one piece. So it is where nobody asks for more, as
    the text of each token by itself takes its time.
    """
    if settings.num_beams > 1:
        yield from write_with_beams(decoder, beginnings, language, settings)
        return
    rows = [_Row(one, language, settings, in_pieces=in_pieces) for one in beginnings]
    active = list(range(len(rows)))
    logits = decoder.begin()
    memory = np.empty(logits.shape[1])
    while True:
        going_on = []
        for place, number in enumerate(active):
            row = rows[number]
            if not row.finish and (piece := row.take(logits[place], memory)):
                yield number, piece
            if row.finish:
                yield number, row.result()
            else:
                going_on.append(place)
        if not going_on:
            return
        active = [active[place] for place in going_on]
        last = [rows[number].tokens[-1] for number in active]
        logits = decoder.go_on(np.array(last, np.int32), np.array(going_on, np.int32))
