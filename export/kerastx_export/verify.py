"""Does a file that was exported earlier still answer like its checkpoint?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kerastx.artifact import Manifest
from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ExportError
from kerastx.models.config import EncoderConfig
from kerastx.runtime.files import load
from kerastx.runtime.session import Session
from kerastx.runtime.writer import Writer
from kerastx_export import gate, parity
from kerastx_export.comparison import Comparison, DevRows
from kerastx_export.parity import Parity
from kerastx_export.recipes import Recipe, recipe_of
from kerastx_export.report import parity_lines
from kerastx_export.trace import exportable
from kerastx_export.verify_writer import WriterVerifyResult, verify_writer
from kerastx_export.writer_comparison import HeldData, Progress, held_data, labelled_data


@dataclass(frozen=True)
class VerifyResult:
    """A file that answers like its checkpoint.

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
    parity: Parity

    def summary(self) -> str:
        """Return the result in a few lines."""
        lines = "\n".join(f"  {line}" for line in parity_lines(self.parity))
        return (
            f"{self.path}: unaltered, answers like its checkpoint\n"
            f"  recipe {self.recipe.name}, SHA-256 {self.sha256}\n"
            f"  compared on {self.compared_on}\n{lines}"
        )


def verify(
    path: str | os.PathLike[str],
    checkpoint: Checkpoint | str | os.PathLike[str],
    *,
    dev: DevRows | HeldData | None = None,
    progress: Progress | None = None,
) -> VerifyResult | WriterVerifyResult:
    """Compare an exported file with a checkpoint, as the export did.

    Args:
        path: a .tflite or .onnx file.
        checkpoint: what it was made from, or its folder.
        dev: labelled rows to compare and score on, of a file that writes held text or pairs; texts of our own
            otherwise.
        progress: called with (phase, rows done, rows in all) of a file that writes.

    Raises:
        ArtifactError: the file is missing, not ours, truncated or altered.
        ExportError: it was made from another checkpoint, or answers unlike this one.
    """
    session = load(path)
    checkpoint = exportable(checkpoint)
    if isinstance(session, Writer):
        report = progress or (lambda phase, done, total: None)
        return verify_writer(Path(path), session, checkpoint, dev=held_data(dev), progress=report)
    recipe = recipe_of(session.manifest)
    _check_origin(session, checkpoint)
    comparison = Comparison(checkpoint, labelled_data(dev))
    found = parity.measure(session, comparison)
    gate.check_parity(recipe, found)
    return VerifyResult(Path(path), recipe, session.manifest.sha256, comparison.source, found)


def _check_origin(session: Session, checkpoint: Checkpoint) -> None:
    manifest = session.manifest
    for what, found, expected in (
        ("task", manifest.task, checkpoint.task),
        ("labels", manifest.labels, checkpoint.labels),
        ("pair", manifest.pair, checkpoint.pair),
        ("encoder config", _config(manifest), checkpoint.config),
        ("max_length", manifest.max_length, checkpoint.max_length),
        ("span", manifest.span, checkpoint.span.to_dict() if checkpoint.span else {}),
        ("tokenizer", manifest.tokenizer, checkpoint.tokenizer.to_json()),
    ):
        if found != expected:
            raise ExportError(f"the file was made from another checkpoint: its {what} differs")


def _config(manifest: Manifest) -> EncoderConfig:
    """Return the config in a file, which may lack keys that are newer than the file."""
    try:
        return EncoderConfig.from_dict(manifest.model)
    except (TypeError, ValueError) as error:
        raise ExportError(f"the file has an encoder config that this version does not know: {error}") from error
