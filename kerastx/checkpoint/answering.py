"""A Keras checkpoint's answers to texts: the same outputs, in the same form, as those of an exported file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from keras import ops

from kerastx.checkpoint.generating import generate
from kerastx.checkpoint.masked_words import MASKED_TASKS, fill_masks
from kerastx.checkpoint.spans import answer_questions
from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tagging import find_entities
from kerastx.checkpoint.tasks import GENERATING_TASKS, TEXT_TASKS
from kerastx.errors import CheckpointError
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.results import OUTPUTS, answers
from kerastx.runtime.texts import checked_pairs, checked_texts, contexts_of, is_one_text

ANSWERING_TASKS = (*TEXT_TASKS, "embedding")


def predict(
    checkpoint: Checkpoint, texts: Iterable[str], pairs: Iterable[str] | None = None, *, batch_size: int = 32
) -> dict[str, np.ndarray]:
    """Return the outputs for each text, in order; texts of like length run together.

    Args:
        checkpoint: of a task that answers for whole texts.
        texts, pairs: N strings each; longer ones are cut to `checkpoint.max_length` tokens.
        batch_size: rows of a step.

    Returns:
        float32: logits and probabilities (N, C); score (N, 1) of a regression; vector (N, D) of an embedding.

    Raises:
        CheckpointError: the checkpoint is of another task.
        TypeError: anything but strings.
        ValueError: pairs are missing, or not as many as the texts.
    """
    if checkpoint.task not in ANSWERING_TASKS:
        raise CheckpointError(f"a {checkpoint.task} checkpoint answers nothing; fine-tune it first: kerastx finetune")
    if checkpoint.pair and pairs is None:
        raise ValueError("this checkpoint answers pairs of texts: give the second ones as pairs.")
    texts, pairs = checked_texts(texts), checked_pairs(pairs)
    encodings = checkpoint.tokenizer.encode_batch(texts, pairs, max_length=checkpoint.max_length)
    if not encodings:
        widths = {"score": 1, "vector": checkpoint.config.hidden_dim}
        return {name: np.zeros((0, widths.get(name, len(checkpoint.labels))), "f") for name in OUTPUTS[checkpoint.task]}
    order = sorted(range(len(encodings)), key=lambda row: len(encodings[row].token_ids))
    results: dict[str, np.ndarray] = {}
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        longest = len(encodings[rows[-1]].token_ids)
        width = min(longest + -longest % 8, checkpoint.config.max_sequence_length)
        inputs = checkpoint.tokenizer.pad([encodings[row] for row in rows], length=width)
        for name, values in _outputs(checkpoint, inputs).items():
            results.setdefault(name, np.zeros((len(order), values.shape[-1]), np.float32))[rows] = values
    return results


def predicted_for(checkpoint: Checkpoint, rows: Any) -> dict[str, np.ndarray]:
    """Return the outputs for labelled rows; those of an embedding are the vectors of the texts, then of the pairs.

    Args:
        rows: with `texts` and `pairs`, see `LabelledData`.
    """
    if checkpoint.task == "embedding" and rows.pairs is not None:
        return predict(checkpoint, [*rows.texts, *rows.pairs])
    return predict(checkpoint, rows.texts, rows.pairs)


def _outputs(checkpoint: Checkpoint, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    outputs = checkpoint.model.predict_on_batch(inputs)
    if checkpoint.task == "classification":
        outputs["probabilities"] = ops.convert_to_numpy(ops.softmax(outputs["logits"], axis=-1))
    elif checkpoint.task == "multi_label":
        outputs["probabilities"] = ops.convert_to_numpy(ops.sigmoid(outputs["logits"]))
    return outputs


def answer(checkpoint: Checkpoint, texts: Any, pairs: Any = None) -> Any:
    """Return the result of a text, or the list of results of several; see `Checkpoint.__call__`."""
    if is_one_text(texts, pairs):
        return answer(checkpoint, [texts], None if pairs is None else [pairs])[0]
    if checkpoint.task in GENERATING_TASKS:
        if pairs is not None:
            raise ValueError(f"a {checkpoint.task} checkpoint takes single texts, got pairs.")
        return generate(checkpoint, checked_texts(texts), GenerationSettings())
    if checkpoint.task in MASKED_TASKS:
        if pairs is not None:
            raise ValueError(f"a {checkpoint.task} checkpoint takes single texts, got pairs.")
        return fill_masks(checkpoint, checked_texts(texts))
    if checkpoint.task == "tagging":
        if pairs is not None:
            raise ValueError("a tagging checkpoint takes single texts, got pairs.")
        return find_entities(checkpoint, checked_texts(texts))
    if checkpoint.task == "span":
        questions = checked_texts(texts, "question")
        return answer_questions(checkpoint, questions, contexts_of(questions, pairs))
    return answers(checkpoint.task, checkpoint.labels, predict(checkpoint, texts, pairs))
