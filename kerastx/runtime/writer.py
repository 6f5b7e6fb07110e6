"""An exported file that writes, opened: texts in, written texts out."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, overload

from kerastx.artifact import Artifact, Manifest
from kerastx.errors import ArtifactError
from kerastx.runtime.decoding import GeneratedText
from kerastx.runtime.file_steps import FileSteps, open_steps
from kerastx.runtime.generation import Generator, Vocabularies, WritingTokenizer
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.step_decoder import StepDecoder
from kerastx.runtime.text_scores import step_scorer
from kerastx.runtime.texts import checked_texts
from kerastx.runtime.writer_tokenizers import tokenizers_of
from kerastx.text.encoding import TextEncoder

WRITING_TASKS = ("language_model", "seq2seq")


class Writer:
    """A model that writes; safe to share between threads.

    Attributes:
        manifest: of the file.
        tokenizer: of what it writes.
        steps: what the file computes.
        generator: what writes with them.
        scorer: what tells with them how probable texts are.
    """

    def __init__(self, manifest: Manifest, vocabularies: Vocabularies, steps: FileSteps):
        self.manifest = manifest
        self.vocabularies = vocabularies
        self.steps = steps
        self.generator = Generator(vocabularies, functools.partial(StepDecoder, steps))
        self.scorer = step_scorer(vocabularies, steps)

    @property
    def tokenizer(self) -> WritingTokenizer:
        return self.vocabularies.tokenizer

    @overload
    def __call__(self, texts: str) -> GeneratedText: ...
    @overload
    def __call__(self, texts: Iterable[str]) -> list[GeneratedText]: ...

    def __call__(self, texts):
        """Return what `generate` does."""
        return self.generate(texts)

    def generate(self, texts, *, settings: GenerationSettings | None = None, **options: Any):
        """Write on from a text, or write the text that a source becomes; as `Checkpoint.generate`.

        Args:
            texts: a string, or several; an empty prompt is a beginning too. Sources are cut to
                `manifest.max_length` tokens.
            settings: `GenerationSettings`; by default the most probable token is taken at each step.
            options: settings by their names, which change those.

        Returns:
            A `GeneratedText`; a list of them for several texts.

        Raises:
            TypeError: anything but strings.
            ValueError: a setting is unknown or wrong, or a prompt leaves no room in the model's context.
        """
        settings = GenerationSettings.of(settings, options)
        if isinstance(texts, str):
            return self.generator.generate([texts], settings)[0]
        return self.generator.generate(checked_texts(texts), settings)

    def stream(
        self, text: str, *, settings: GenerationSettings | None = None, **options: Any
    ) -> Iterator[str | GeneratedText]:
        """Yield what `generate` writes for one text in pieces, then the result; closing the iterator ends the work."""
        return self.generator.stream(text, GenerationSettings.of(settings, options))


def open_writer(artifact: Artifact, *, threads: int = 1) -> Writer:
    """Return the writer of a file that was read.

    Raises:
        ArtifactError: its parts do not belong together, or the engine cannot load the graph.
        MissingExtraError: the engine is not installed, or the tokenizers library, for a file that cannot do without.
    """
    manifest = artifact.manifest
    steps = open_steps(artifact.content, artifact.engine_format, threads=threads)
    tokenizer, source = tokenizers_of(manifest, steps)
    if steps.shapes.has_sources != (source is not None):
        given = "that reads sources" if steps.shapes.has_sources else "without sources"
        raise ArtifactError(f"a {manifest.task} file with a graph {given}")
    return Writer(manifest, _vocabularies(manifest, tokenizer, source, steps.shapes.vocabulary_size), steps)


def _vocabularies(
    manifest: Manifest, tokenizer: WritingTokenizer, source: TextEncoder | None, size: int
) -> Vocabularies:
    places = manifest.model.get("max_sequence_length")
    if type(places) is not int or places < 2 or size < tokenizer.vocabulary_size:
        raise ArtifactError(
            f"it has {tokenizer.vocabulary_size} tokens, {size} logits and room for {places!r}: these do not belong "
            "together"
        )
    return Vocabularies(
        tokenizer=tokenizer,
        source_tokenizer=source,
        vocabulary_size=size,
        max_length=manifest.max_length,
        places=places,
    )
