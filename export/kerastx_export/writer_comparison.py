"""What files that write are compared with Keras on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from kerastx.analysis.held_rows import pair_rows, text_rows
from kerastx.analysis.writer_scores import perplexity_scores, write_all, written_scores
from kerastx.checkpoint.generating import generator_of, vocabularies_of
from kerastx.checkpoint.store import Checkpoint
from kerastx.data.held_text import HeldText
from kerastx.data.text_pairs import TextPairs
from kerastx.errors import DataError
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.writer import Writer
from kerastx_export import step_parity
from kerastx_export.comparison import DevRows
from kerastx_export.greedy_parity import GreedyParity, GreedyTexts
from kerastx_export.probe_texts import probe_texts
from kerastx_export.recipes import Recipe
from kerastx_export.step_parity import StepParity

HeldData = HeldText | TextPairs
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class HeldScores:
    """The scores of a file and of Keras on rows that the model was not trained on.

    Attributes:
        rows: what they are, in words.
        parity: the comparison, token by token.
        file, keras: score -> value; of an encoder-decoder also of what is written with the most probable token at each
            step.
    """

    rows: str
    parity: StepParity
    file: dict[str, float]
    keras: dict[str, float]


@dataclass(frozen=True)
class WriterParity:
    """All that a file was compared on.

    Attributes:
        steps: texts of our own: padded prompts, then one token at a time.
        greedy: texts that were written.
        held: the rows that were given.
    """

    steps: StepParity
    greedy: GreedyParity
    held: HeldScores | None


class WriterComparison:
    """Texts, with what Keras says of them; every file of an export is held against one.

    Args:
        checkpoint: a language model or an encoder-decoder.
        dev: held text of the one, pairs of the other; None = there are none.

    Raises:
        DataError: the rows are of another task.
    """

    def __init__(self, checkpoint: Checkpoint, dev: HeldData | None = None):
        self._checkpoint = checkpoint
        self._dev = dev
        self._keras_written: list[str] | None = None
        if dev is None:
            return
        if isinstance(dev, HeldText) != (checkpoint.task == "language_model"):
            kinds = {True: "text", False: "pairs of texts"}
            raise DataError(
                f"the rows are {kinds[isinstance(dev, HeldText)]}, and a {checkpoint.task} model is scored on "
                f"{kinds[checkpoint.task == 'language_model']}"
            )
        vocabularies = vocabularies_of(checkpoint)
        self._rows = text_rows(vocabularies, dev) if isinstance(dev, HeldText) else pair_rows(vocabularies, dev)

    @property
    def source(self) -> str:
        """What the texts are, in words."""
        return "texts of our own" if self._dev is None else f"texts of our own and {self._kind}"

    @property
    def _kind(self) -> str:
        what = "rows of held text" if isinstance(self._dev, HeldText) else "pairs"
        return f"{len(self._rows.rows):,} {what}"

    def measure(self, writer: Writer, recipe: Recipe, progress: Progress) -> WriterParity:
        """Compare a file.

        Args:
            writer: the file.
            recipe: how its weights are stored, which decides how closely it must follow.
            progress: called with (phase, rows done, rows in all) of the rows that were given.

        Raises:
            ExportError: it does not follow Keras, or writes something else.
        """
        steps = step_parity.compare(self._checkpoint, writer.steps)
        step_parity.check(recipe, steps)
        greedy = self._greedy.compare(writer.steps)
        step_parity.check_greedy(recipe, greedy)
        held = None
        if self._dev is not None:
            held = self._held_scores(writer, self._dev, recipe, progress)
        return WriterParity(steps, greedy, held)

    @cached_property
    def _greedy(self) -> GreedyTexts:
        return GreedyTexts(self._checkpoint, probe_texts())

    def _held_scores(self, writer: Writer, dev: HeldData, recipe: Recipe, progress: Progress) -> HeldScores:
        rows, total = self._rows, len(self._rows.rows)
        phase = f"compare {total:,} rows"
        progress(phase, 0, total)
        found = step_parity.compare_rows(
            self._checkpoint, writer.scorer, rows, lambda done: progress(phase, done, total)
        )
        step_parity.check(recipe, found)  # before anything is written, which takes longer
        file, keras = (
            perplexity_scores(-math.log(value) * found.tokens, rows)
            for value in (found.perplexity, found.keras_perplexity)
        )
        if isinstance(dev, TextPairs):
            settings = GenerationSettings()
            if self._keras_written is None:
                generator = generator_of(self._checkpoint)
                self._keras_written = write_all(generator, dev.sources, settings, progress, phase="write in Keras")
            written = write_all(writer.generator, dev.sources, settings, progress, phase="write")
            file |= written_scores(written, dev)
            keras |= written_scores(self._keras_written, dev)
        return HeldScores(self._kind, found, file, keras)


def held_data(dev: DevRows | HeldData | None) -> HeldData | None:
    """Return rows that a model that writes is scored on; DataError for others."""
    if dev is None or isinstance(dev, HeldText | TextPairs):
        return dev
    raise DataError("the rows have labels, and a model that writes is scored on held text, or on pairs of texts")


def labelled_data(dev: DevRows | HeldData | None) -> DevRows | None:
    """Return rows that a model that answers is scored on; DataError for others."""
    if isinstance(dev, HeldText | TextPairs):
        raise DataError("the rows have no labels, and a model that answers is scored on labelled ones")
    return dev
