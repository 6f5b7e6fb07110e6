"""What can go wrong, by the thing that is wrong.

    KerastxError                 any of the below; its message is one line that a person can act on
    ├── DataError                a corpus, token store or labelled file
    ├── CheckpointError          a training checkpoint
    ├── ArtifactError            an exported file
    ├── ExportError              a conversion, quantization or parity check that failed
    └── MissingExtraError        an optional dependency that is not installed

A wrong argument is a plain `ValueError` or `TypeError`.
"""

from __future__ import annotations


class KerastxError(Exception):
    """Base of all errors that kerastx raises on purpose."""


class DataError(KerastxError):
    """A corpus, token store or labelled file is missing, empty or malformed."""


class CheckpointError(KerastxError):
    """A checkpoint is missing, incomplete, altered or does not fit the model."""


class ArtifactError(KerastxError):
    """An exported file is not ours, truncated, altered or too new."""


class ExportError(KerastxError):
    """A conversion lost something, kept a foreign op or missed its tolerance; nothing was written."""


class MissingExtraError(KerastxError):
    """An optional dependency is missing; the message names the command that installs it."""

    def __init__(self, module: str, extra: str, *, way_out: str = ""):
        command = f"pip install 'kerastx[{extra}]'"
        super().__init__(f"{module} is needed for this and is not installed; run: {command}{way_out}")
