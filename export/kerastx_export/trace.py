"""Keras model -> TensorFlow functions that the converters read."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kerastx.checkpoint.store import Checkpoint, in_float32, load_checkpoint
from kerastx.checkpoint.tasks import GENERATING_TASKS
from kerastx.errors import ExportError
from kerastx.models.span_extractor import with_search
from kerastx.runtime.results import INTEGER_OUTPUTS, OUTPUTS
from kerastx_export.signature import INPUTS


def exportable(checkpoint: Checkpoint | str | os.PathLike[str]) -> Checkpoint:
    """Return a loaded checkpoint of a task that can be exported, its model computing in float32.

    Raises:
        ExportError: it is of a task that answers nothing for a whole text, or it is not on the TensorFlow backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportError(f"export needs KERAS_BACKEND=tensorflow, got {keras.backend.backend()}")
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    if checkpoint.task not in (*OUTPUTS, *GENERATING_TASKS):
        raise ExportError(
            f"a {checkpoint.task} checkpoint answers nothing; fine-tune it first: kerastx finetune classify --from ..."
        )
    return in_float32(checkpoint)


def served_model(checkpoint: Checkpoint) -> keras.Model:
    """Return the model whose outputs a file answers: that of questions finds the best spans too."""
    if checkpoint.span is None:
        return checkpoint.model
    return with_search(checkpoint.model, max_answer_tokens=checkpoint.span.max_answer_tokens)


def serving_function(model: keras.Model, task: str) -> Callable[..., dict[str, tf.Tensor]]:
    """Return a function of the three inputs that answers the outputs of the task; see `kerastx.runtime.results`.

    The softmax, or sigmoid, is part of the graph, so that every client gets probabilities without code of its own.
    """

    def serve(token_ids, segment_ids, padding_mask):
        inputs = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask}
        outputs = {
            name: tf.cast(value, tf.int32 if name in INTEGER_OUTPUTS else tf.float32)
            for name, value in model(inputs, training=False).items()
        }
        if task in ("classification", "tagging"):
            outputs["probabilities"] = tf.nn.softmax(outputs["logits"])
        elif task == "multi_label":
            outputs["probabilities"] = tf.nn.sigmoid(outputs["logits"])
        return {name: tf.identity(outputs[name]) for name in OUTPUTS[task]}

    return serve


def input_specs() -> list[tf.TensorSpec]:
    """Return the (B, T) inputs with both sizes left open."""
    return [tf.TensorSpec([None, None], dtype, name=name) for name, dtype in INPUTS.items()]


def keras_answers(model: keras.Model, task: str) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return Keras itself as a function of arrays, to compare files with."""
    function = tf.function(serving_function(model, task), input_signature=input_specs())

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: value.numpy() for name, value in function(**inputs).items()}

    return answer


def write_saved_model(model: keras.Model, folder: Path, *, task: str) -> None:
    """Write `model` as a SavedModel with one signature, named after the task.

    `ExportArchive.track` is what makes the variables part of it: a Keras 3 model held by a plain `tf.Module`
    converts without its weights, and nothing says so.
    """
    archive = keras.export.ExportArchive()
    archive.track(model)
    # Keras prints every captured tensor.
    with contextlib.redirect_stdout(io.StringIO()):
        archive.add_endpoint(task, serving_function(model, task), input_signature=input_specs())
        archive.write_out(str(folder), verbose=False)
