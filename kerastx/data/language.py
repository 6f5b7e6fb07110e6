"""Which language a text is written in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kerastx.data.corpus import Sentence
from kerastx.errors import MissingExtraError

SAMPLE_CHARACTERS = 1000  # of the beginning of a document: enough to tell, half a millisecond


class LanguageFilter:
    """Tells texts in some languages from others, by py3langid: 139 languages, a model without pickles in its wheel."""

    def __init__(self, languages: Sequence[str]):
        """Take ISO 639 codes ("en", "zh"); ValueError for one that the model does not know."""
        try:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier
        except ImportError:
            raise MissingExtraError("py3langid", "language") from None
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
        self._languages = frozenset(languages)
        known = sorted(set(self._identifier.labels))
        if unknown := sorted(self._languages.difference(known)):
            raise ValueError(f"language must be one of {', '.join(known)}, got {', '.join(unknown)}.")

    def accepts(self, text: str) -> bool:
        """Whether the beginning of a text is most likely in one of the languages."""
        return self._identifier.classify(text[:SAMPLE_CHARACTERS])[0] in self._languages

    def only(self, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
        """Yield the sentences of documents that are accepted; the beginning of one is held in memory."""
        held: list[Sentence] = []
        num_characters = 0
        accepted: bool | None = None  # not known yet
        for sentence in sentences:
            if sentence.starts_document:
                if accepted is None and self._accepts_all(held):
                    yield from held
                held, num_characters, accepted = [], 0, None
            if accepted is not None:
                if accepted:
                    yield sentence
                continue
            held.append(sentence)
            num_characters += len(sentence.text)
            if num_characters >= SAMPLE_CHARACTERS:
                accepted = self._accepts_all(held)
                if accepted:
                    yield from held
        if accepted is None and self._accepts_all(held):
            yield from held

    def _accepts_all(self, sentences: Sequence[Sentence]) -> bool:
        return bool(sentences) and self.accepts(" ".join(sentence.text for sentence in sentences))
