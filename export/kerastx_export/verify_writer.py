"""Does a file that writes still write like its checkpoint?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tasks import config_type
from kerastx.errors import ExportError
from kerastx.runtime.writer import Writer
from kerastx_export.recipes import Recipe, recipe_of
from kerastx_export.shorter_context import with_context
from kerastx_export.writer_comparison import HeldData, Progress, WriterComparison, WriterParity
from kerastx_export.writer_report import writer_parity_lines


@dataclass(frozen=True)
class WriterVerifyResult:
    """A file that writes like its checkpoint.

    Attributes:
        path: of the file.
        recipe: how its weights are stored.
        sha256: of the file.
        compared_on: what the comparison ran on, in words.
        parity: the comparison.
    """

    path: Path
    recipe: Recipe
    sha256: str
    compared_on: str
    parity: WriterParity

    def summary(self) -> str:
        """Return the result in a few lines."""
        lines = "\n".join(f"  {line}" for line in writer_parity_lines(self.parity))
        return (
            f"{self.path}: unaltered, writes like its checkpoint\n"
            f"  recipe {self.recipe.name}, SHA-256 {self.sha256}\n"
            f"  compared on {self.compared_on}\n{lines}"
        )


def verify_writer(
    path: Path, writer: Writer, checkpoint: Checkpoint, *, dev: HeldData | None, progress: Progress
) -> WriterVerifyResult:
    """Compare a file that writes with a checkpoint, as the export did; see `kerastx_export.verify`."""
    recipe = recipe_of(writer.manifest)
    if writer.manifest.task == checkpoint.task and writer.vocabularies.places < checkpoint.config.max_sequence_length:
        checkpoint = with_context(checkpoint, writer.vocabularies.places)
    _check_origin(writer, checkpoint)
    comparison = WriterComparison(checkpoint, dev)
    parity = comparison.measure(writer, recipe, progress)
    return WriterVerifyResult(path, recipe, writer.manifest.sha256, comparison.source, parity)


def _check_origin(writer: Writer, checkpoint: Checkpoint) -> None:
    manifest, source = writer.manifest, checkpoint.source_tokenizer
    for what, found, expected in (
        ("task", manifest.task, checkpoint.task),
        ("config", _config(writer) if manifest.task == checkpoint.task else None, checkpoint.config),
        ("max_length", manifest.max_length, checkpoint.max_length),
        ("tokenizer", manifest.tokenizer, checkpoint.tokenizer.to_json()),
        ("source tokenizer", manifest.source_tokenizer, "" if source is None else source.to_json()),
    ):
        if found != expected:
            raise ExportError(f"the file was made from another checkpoint: its {what} differs")


def _config(writer: Writer) -> object:
    """Return the config in a file, which may lack keys that are newer than the file."""
    try:
        return config_type(writer.manifest.task).from_dict(writer.manifest.model)
    except (TypeError, ValueError) as error:
        raise ExportError(f"the file has a config that this version does not know: {error}") from error
