"""Exported files, opened by what they do: answer or write."""

from __future__ import annotations

import os

from kerastx.artifact import read_artifact
from kerastx.errors import ArtifactError
from kerastx.runtime.session import Session
from kerastx.runtime.session import load as open_session
from kerastx.runtime.writer import WRITING_TASKS, Writer, open_writer


def load(path: str | os.PathLike[str], *, threads: int = 1) -> Session | Writer:
    """Open a .tflite or .onnx file that `kerastx export` wrote.

    Args:
        path: the file.
        threads: that the engine may use for one step.

    Returns:
        A `Writer` for a file that writes, a `Session` for one that answers.

    Raises:
        ArtifactError: the file is missing, not ours, truncated, altered, or newer than this version.
        MissingExtraError: the engine for this kind of file is not installed, or the tokenizers library, for a file
            that has no tokenizer in its graph.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}.")
    artifact = read_artifact(path)
    if artifact.manifest.task not in WRITING_TASKS:
        return open_session(path, threads=threads)
    try:
        return open_writer(artifact, threads=threads)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
