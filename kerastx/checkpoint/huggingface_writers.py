"""Hugging Face folders of models that write -> checkpoints, every array accounted for."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastx.checkpoint.huggingface_config import max_length_of
from kerastx.checkpoint.huggingface_names import Rule
from kerastx.checkpoint.huggingface_writer_config import writer_config, writer_of, writing_ids
from kerastx.checkpoint.huggingface_writer_names import Writer, check_writer_sizes, writer_rules
from kerastx.checkpoint.json_files import read_json_object
from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tasks import build_model
from kerastx.checkpoint.tensors import read_tensors
from kerastx.errors import CheckpointError
from kerastx.models.decoder_config import GeneratorConfig
from kerastx.text.huggingface_files import read_huggingface_tokenizer
from kerastx.text.marian_files import SOURCE, read_marian_tokenizers

GENERATION_CONFIG = "generation_config.json"


def load_writer(folder: Path, values: dict[str, Any], task: str | None) -> Checkpoint:
    """Load a model that writes; see `kerastx.checkpoint.huggingface.load_huggingface`.

    Args:
        folder: with the weights and the tokenizer.
        values: of its config.json, whose model_type is one of `WRITING_MODELS`.
        task: None or that of the model.
    """
    writer = writer_of(values)
    if task not in (None, writer.task):
        raise CheckpointError(
            f"expected a model for {task}, found one for {writer.task}; task={writer.task!r} loads it"
        )
    arrays, wrong = _plain_names(*read_tensors(folder), writer)
    config = writer_config(values, writer, arrays)
    wrong += _untie(arrays, writer, config)
    check_writer_sizes(writer, config, arrays)
    generation = folder / GENERATION_CONFIG
    ids = writing_ids(values, read_json_object(generation) if generation.is_file() else {})
    ids = dataclasses.replace(ids, places=config.vocabulary_size)
    if (folder / SOURCE).is_file():
        source_tokenizer, tokenizer = read_marian_tokenizers(folder, ids)
    else:
        source_tokenizer, tokenizer = None, read_huggingface_tokenizer(folder, segments=False, writing=ids)
    model = build_model(writer.task, config)
    _assign(model, writer_rules(writer, config, [variable.path for variable in model.weights]), arrays, wrong)
    return Checkpoint(
        model=model,
        tokenizer=tokenizer,
        config=config,
        task=writer.task,
        max_length=max_length_of(folder, config),
        path=folder,
        source_tokenizer=source_tokenizer,
    )


def _plain_names(
    arrays: dict[str, np.ndarray], wrong: list[str], writer: Writer
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the arrays without prefix and without buffers, and what is wrong."""
    plain: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        short = name.removeprefix(writer.prefix)
        if re.fullmatch(writer.buffers, short):
            continue
        if short in plain:
            wrong = [*wrong, f"{name} is there under another name too"]
        plain[short] = array
    return plain, wrong


def _untie(arrays: dict[str, np.ndarray], writer: Writer, config: GeneratorConfig) -> list[str]:
    """Leave one array of those that are the same, and complain where they differ."""
    wrong = []
    output = {writer.output: writer.words} if config.tied_embeddings else {}
    for copy, original in {**writer.copies, **output}.items():
        if copy not in arrays:
            continue
        array = arrays.pop(copy)
        if not np.array_equal(array, arrays.setdefault(original, array)):
            wrong.append(f"{copy} differs from {original}, though config.json ties them")
    return wrong


def _assign(model: keras.Model, rules: list[Rule], arrays: dict[str, np.ndarray], wrong: list[str]) -> None:
    targets = {variable.path: variable for variable in model.weights}
    for rule in rules:
        wrong += rule.shape_problems(tuple(targets[rule.ours].shape), arrays)
    used = {name for rule in rules for name in rule.theirs}
    wrong += [f"{name} is not part of the model" for name in sorted(set(arrays) - used)]
    if wrong:
        raise CheckpointError(f"{len(wrong)} mismatches: {'; '.join(wrong)}")
    for rule in rules:
        target = targets[rule.ours]
        theirs = [arrays[name] for name in rule.theirs]
        target.assign(rule.to_ours(theirs) if theirs else np.zeros(target.shape, "float32"))
