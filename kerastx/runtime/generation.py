"""Texts in, written texts out, whatever computes the logits: a Keras model or an exported file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kerastx.runtime.decoding import Beginning, Decoder, GeneratedText, Language
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.texts import checked_texts
from kerastx.runtime.writing import write
from kerastx.text.encoding import Encoding, TextEncoder
from kerastx.text.template import Template

# What a language model writes where nobody says how much; it may never end by itself.
NEW_TOKENS = 100
# Rows, beams of them and tokens of each that are in the works at once, at most, but for a single row: a model of 12
# layers x 768 keeps 2.4 GB for so many.
SLOTS_AT_ONCE = 2**15

Sources = dict[str, np.ndarray] | None


class WritingTokenizer(Protocol):
    """Stands between written texts and their tokens: `kerastx.text.tokenizer.Tokenizer`, or what a file has for it.

    Attributes:
        template: where special tokens stand around a prompt; what is in front of it counts.
        vocabulary_size, begin_ids, end_ids, special_ids: see `Tokenizer`.
    """

    template: Template
    begin_ids: tuple[int, ...]
    end_ids: tuple[int, ...]

    @property
    def vocabulary_size(self) -> int: ...

    @property
    def special_ids(self) -> tuple[int, ...]: ...

    def encode_ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the int32 ids of each text, without special tokens and without truncation."""
        ...

    def token(self, id: int) -> str:
        """Return the piece behind an id."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """Return readable text for token ids; special tokens are left out."""
        ...


@dataclass(frozen=True, kw_only=True)
class Vocabularies:
    """What stands between texts and the tokens of a model that writes.

    Attributes:
        tokenizer: of what it writes.
        source_tokenizer: of what it reads before; None = it goes on from what is there.
        vocabulary_size: rows of its table of logits.
        max_length: tokens that sources are cut to, and that a target has where nobody says how many.
        places: tokens that a text may have.
    """

    tokenizer: WritingTokenizer
    source_tokenizer: TextEncoder | None
    vocabulary_size: int
    max_length: int
    places: int

    @property
    def encoder(self) -> TextEncoder:
        """What cuts sources; ValueError for a language model, which has none."""
        if self.source_tokenizer is None:
            raise ValueError("a language model reads no sources.")
        return self.source_tokenizer

    @property
    def language(self) -> Language:
        """What ends a text, and what is never in one: special tokens, and rows of tables without a token."""
        tokenizer = self.tokenizer
        unused = np.arange(tokenizer.vocabulary_size, self.vocabulary_size).tolist()
        never = sorted({*tokenizer.special_ids, *unused} - {*tokenizer.end_ids})
        return Language(decode=tokenizer.decode, end_ids=tokenizer.end_ids, never_ids=tuple(never))

    def beginnings(
        self, texts: list[str], settings: GenerationSettings, *, first: int = 0
    ) -> tuple[list[Beginning], list[Encoding] | None]:
        """Return what each new text begins with, and the encodings of the sources where there are any.

        Args:
            texts: N strings.
            settings: of which max_new_tokens counts here.
            first: number of the first text.
        """
        if self.source_tokenizer is not None:
            start = self.tokenizer.begin_ids
            room = min(settings.max_new_tokens or self.max_length - 1, self.places - len(start) + 1)
            sources = self.source_tokenizer.encode_batch(texts, max_length=self.max_length)
            return [
                Beginning(token_ids=start, max_new_tokens=room, begun=len(start) - 1, number=number)
                for number in range(first, first + len(texts))
            ], sources
        return [
            self._prompt(number, ids.tolist(), settings)
            for number, ids in enumerate(self.tokenizer.encode_ids(texts), first)
        ], None

    def _prompt(self, number: int, ids: list[int], settings: GenerationSettings) -> Beginning:
        prompt = (*self.tokenizer.template.before, *ids) or self.tokenizer.begin_ids
        if len(prompt) >= self.places:
            raise ValueError(
                f"prompt {number} has {len(prompt)} tokens, and the model has room for {self.places} with what it "
                "writes: shorten it."
            )
        room = min(settings.max_new_tokens or NEW_TOKENS, self.places - len(prompt))
        return Beginning(token_ids=prompt, shown=tuple(ids), max_new_tokens=room, number=number)


@dataclass(frozen=True)
class Generator:
    """Writes texts.

    Attributes:
        vocabularies: of the model.
        open_decoder: (beginnings, sources) -> the model, about to write.
        write_in_one: (beginnings, sources, settings) -> the results, where the model can without asking for each token;
            for settings that are `is_plain`.
    """

    vocabularies: Vocabularies
    open_decoder: Callable[[Sequence[Beginning], Sources], Decoder]
    write_in_one: Callable[[Sequence[Beginning], Sources, GenerationSettings], list[GeneratedText]] | None = None

    def generate(
        self, texts: Sequence[str], settings: GenerationSettings, *, batch_size: int = 16, first: int = 0
    ) -> list[GeneratedText]:
        """Return what is written for each text, in order; texts of like length run together.

        Args:
            texts: N strings.
            settings: how they are written.
            batch_size: texts that run together, fewer where they are long.
            first: number of the first text, for errors and for what is drawn.

        Raises:
            TypeError: anything but strings.
            ValueError: a prompt leaves no room in the model's context.
        """
        texts = checked_texts(texts)
        beginnings, sources = self.vocabularies.beginnings(texts, settings, first=first)
        lengths = [len(one.token_ids) for one in beginnings] if sources is None else [len(one) for one in sources]
        slots = [settings.num_beams * (len(one.token_ids) + one.max_new_tokens) for one in beginnings]
        results: dict[int, GeneratedText] = {}
        for rows in _batches(lengths, slots, batch_size):
            own = [beginnings[row] for row in rows]
            given = self._padded(None if sources is None else [sources[row] for row in rows])
            results |= zip(rows, self._written(own, given, settings), strict=True)
        return [results[row] for row in range(len(texts))]

    def stream(self, text: str, settings: GenerationSettings) -> Iterator[str | GeneratedText]:
        """Yield pieces of what is written for a text as soon as they are certain, and at the end the result.

        Errors come at once, with the call. To cancel, close the iterator.
        """
        beginnings, sources = self.vocabularies.beginnings(checked_texts([text]), settings)
        return (what for _, what in self._write(beginnings, self._padded(sources), settings))

    def _padded(self, sources: list[Encoding] | None) -> Sources:
        if sources is None or self.vocabularies.source_tokenizer is None:
            return None
        return self.vocabularies.source_tokenizer.pad(sources)

    def _written(
        self, beginnings: list[Beginning], sources: Sources, settings: GenerationSettings
    ) -> list[GeneratedText]:
        slots = max(len(one.token_ids) + one.max_new_tokens for one in beginnings) * len(beginnings)
        is_small = slots * settings.num_beams <= SLOTS_AT_ONCE  # it has all slots from the beginning
        if settings.is_plain and is_small and self.write_in_one is not None:
            return self.write_in_one(beginnings, sources, settings)
        written = self._write(beginnings, sources, settings, in_pieces=False)
        found = {place: what for place, what in written if isinstance(what, GeneratedText)}
        return [found[place] for place in range(len(beginnings))]

    def _write(
        self, beginnings: list[Beginning], sources: Sources, settings: GenerationSettings, *, in_pieces: bool = True
    ) -> Iterator[tuple[int, str | GeneratedText]]:
        decoder = self.open_decoder(beginnings, sources)
        return write(decoder, beginnings, self.vocabularies.language, settings, in_pieces=in_pieces)


def _batches(lengths: list[int], slots: list[int], batch_size: int) -> Iterator[list[int]]:
    """Yield rows that run together: of like length, and not more slots than there may be at once."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        most = max(slots[other] for other in (*batch, row))
        if batch and (len(batch) == batch_size or (len(batch) + 1) * most > SLOTS_AT_ONCE):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
