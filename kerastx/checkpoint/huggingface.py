"""Hugging Face folders (config.json, safetensors, tokenizer) <-> checkpoints, every array accounted for."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from kerastx.checkpoint.huggingface_config import (
    check_masked_lm,
    encoder_config,
    entity_labels,
    family_named,
    family_of,
    huggingface_config,
    labels_of,
    max_length_of,
    task_of,
)
from kerastx.checkpoint.huggingface_names import FAMILIES, Family, Rule, check_sizes, rules, with_padding
from kerastx.checkpoint.huggingface_writer_names import WRITING_MODELS
from kerastx.checkpoint.huggingface_writers import load_writer
from kerastx.checkpoint.json_files import read_json_object
from kerastx.checkpoint.store import Checkpoint, replace_folder, write_json
from kerastx.checkpoint.tasks import ENCODER_TASKS, TEXT_TASKS, build_model
from kerastx.checkpoint.tensors import SINGLE, read_tensors
from kerastx.checkpoint.weights import non_finite_weights, weight_arrays
from kerastx.errors import CheckpointError, DataError
from kerastx.models.config import EncoderConfig
from kerastx.text.huggingface_files import read_huggingface_tokenizer
from kerastx.text.huggingface_writing import write_huggingface_tokenizer
from kerastx.text.tokenizer import Tokenizer

_MEAN_POOLING = "pooling_mode_mean_tokens"
_NO_SEGMENTS = "input_embeddings/segments"


def is_huggingface(folder: Path) -> bool:
    """Whether a folder holds a config.json of a Hugging Face model."""
    try:
        values = read_json_object(folder / "config.json")
    except CheckpointError:
        return False
    return "format" not in values and ("model_type" in values or "architectures" in values)


def load_huggingface(folder: str | os.PathLike, *, task: str | None = None) -> Checkpoint:
    """Load a model that was saved by transformers.

    Encoders: BERT, DistilBERT, RoBERTa, ELECTRA and ALBERT. Models that write: GPT-2, Llama, Qwen2; T5, Marian, BART.

    Args:
        folder: with config.json, model.safetensors (or its shards) and tokenizer.json, vocab.txt or vocab.json; of
            Marian source.spm, target.spm and vocab.json.
        task: "encoder" leaves a head out; by itself the task is that of the head. Its file does not say whether a
            model for questions has learned that there may be no answer: `Checkpoint.span` then says that there is one.

    Raises:
        CheckpointError: a file is missing or broken, the architecture is another one, or arrays are missing, left
            over, misshapen, not finite; all of these are named together.
    """
    folder = Path(folder)
    values = read_json_object(folder / "config.json")
    writes = isinstance(values.get("model_type"), str) and values["model_type"] in WRITING_MODELS
    try:
        return load_writer(folder, values, task) if writes else _load(folder, values, task)
    except (CheckpointError, ValueError, TypeError, DataError) as error:
        message = str(error)
        raise CheckpointError(message if message.startswith(str(folder)) else f"{folder}: {message}") from error


def _load(folder: Path, values: dict[str, Any], task: str | None) -> Checkpoint:
    family = family_of(values)
    arrays, outside, wrong = _plain_names(*read_tensors(folder), family)
    config = encoder_config(values, family, arrays)
    task = _checked_task(task, values, arrays, folder)
    labels = labels_of(values) if task in ("classification", "multi_label") else ()
    check_masked_lm(values, family, config, task)
    check_sizes(config, family, arrays)
    tokenizer = read_huggingface_tokenizer(folder, segments=config.num_segments > 1)
    if task in TEXT_TASKS and f"{family.classifier}.weight" in arrays:
        count = len(arrays[f"{family.classifier}.weight"])
        if count != (len(labels) or 1):
            raise CheckpointError(f"{family.classifier}.weight has {count} rows, config.json {len(labels) or 1} labels")
    if task == "tagging":
        labels, order = entity_labels(values)
        _reorder(arrays, family.tagger, order)
    model = build_model(task, config, labels, tokenizer=tokenizer)
    left_out = _assign(model, _Source(family, config, task, arrays, wrong, outside))
    return Checkpoint(
        model=model,
        tokenizer=tokenizer,
        config=config,
        task=task,
        labels=labels,
        max_length=max_length_of(folder, config),
        path=folder,
        left_out=left_out,
    )


def _reorder(arrays: dict[str, np.ndarray], head: str, order: list[int]) -> None:
    """Put the rows of a head into our order; where they are not as many, its shape is complained of later."""
    for name in (f"{head}.weight", f"{head}.bias"):
        if name in arrays and len(arrays[name]) == len(order):
            arrays[name] = arrays[name][order]


def _plain_names(
    arrays: dict[str, np.ndarray], wrong: list[str], family: Family
) -> tuple[dict[str, np.ndarray], set[str], list[str]]:
    """Return the arrays without prefix, the names that stand outside of a prefixed encoder, and what is wrong."""
    plain: dict[str, np.ndarray] = {}
    has_prefix = any(name.startswith(family.prefix) for name in arrays)
    outside = {_plain_name(name, family) for name in arrays if has_prefix and not name.startswith(family.prefix)}
    for name, array in arrays.items():
        short = _plain_name(name, family)
        if short in plain:
            wrong = [*wrong, f"{name} is there under another name too"]
        plain[short] = array
    return plain, outside, wrong


def _plain_name(name: str, family: Family) -> str:
    """Return a name without the family's prefix, and with today's names of norms."""
    name = name.removeprefix(family.prefix)
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith(old):
            name = name.removesuffix(old) + new
    return name


def _checked_task(task: str | None, values: dict[str, Any], arrays: dict[str, np.ndarray], folder: Path) -> str:
    if task == "encoder":
        return task
    found = task_of(values, arrays, sentence_transformer=_pools_by_mean(folder))
    if task not in (None, found, *(("masked_lm",) if found == "pretraining" else ())):
        raise CheckpointError(
            f"expected a model for {task}, found one for {found}; task={found!r} or 'encoder' load it"
        )
    return task or found


def _pools_by_mean(folder: Path) -> bool:
    """Whether a folder says, as sentence-transformers does, that the mean of the states, as a unit, is the vector."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return False
    try:
        kinds = [str(module["type"]).rpartition(".")[2] for module in json.loads(modules.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{modules}: expected a list of modules with a type") from error
    pooling = folder / "1_Pooling" / "config.json"
    if kinds != ["Transformer", "Pooling", "Normalize"] or not pooling.is_file():
        return False  # another recipe: the bare encoder is right for any
    modes = {name for name, value in read_json_object(pooling).items() if name.startswith("pooling_mode_") and value}
    return modes == {_MEAN_POOLING}


@dataclass
class _Source:
    family: Family
    config: EncoderConfig
    task: str
    arrays: dict[str, np.ndarray]
    wrong: list[str]
    outside: set[str]


def _assign(model: keras.Model, source: _Source) -> tuple[str, ...]:
    """Give the model its values and return the names of heads' arrays that it has no place for."""
    arrays, wrong = source.arrays, source.wrong
    wrong += _untie(source)
    targets = {variable.path: variable for variable in model.weights}
    table = rules(source.family, source.config, source.task)
    unmapped = set(targets) - {rule.ours for rule in table}
    if not source.family.segments:
        targets[_NO_SEGMENTS].assign(np.zeros(targets[_NO_SEGMENTS].shape, "float32"))
        unmapped.discard(_NO_SEGMENTS)
    if unmapped:
        raise CheckpointError(f"no names are known for {', '.join(sorted(unmapped))}")
    for rule in table:
        wrong += rule.shape_problems(tuple(targets[rule.ours].shape), arrays)
    used = {name for rule in table for name in rule.theirs}
    others = set(arrays) - used - set(source.family.copies) - set(source.family.buffers)
    known = {name for task in ENCODER_TASKS for rule in _rules_or_none(source, task) for name in rule.theirs}
    known |= source.outside if source.task == "encoder" else set()
    left_out = {name for name in others if name in known or name.startswith(source.family.left_out or "\0")}
    wrong += [f"{name} is not part of the model" for name in sorted(others - left_out)]
    if wrong:
        raise CheckpointError(f"{len(wrong)} mismatches: {'; '.join(wrong)}")
    for rule in table:
        targets[rule.ours].assign(rule.to_ours([arrays[name] for name in rule.theirs]))
    return tuple(sorted(left_out))


def _rules_or_none(source: _Source, task: str) -> list[Rule]:
    with_pooler = EncoderConfig.from_dict({**source.config.to_dict(), "has_pooler": bool(source.family.pooler)})
    if task == "pretraining" and not source.family.next_sentence:
        return []
    if task in TEXT_TASKS and not (source.family.classifier_pooler or source.family.pooler):
        return []
    return rules(source.family, with_pooler, task)


def _untie(source: _Source) -> list[str]:
    """Take the bias of an output layer by its other name, and complain where tied weights differ."""
    wrong = []
    for copy, original in source.family.copies.items():
        if copy not in source.arrays:
            continue
        if original not in source.arrays:
            source.arrays[original] = source.arrays[copy]
        elif not np.array_equal(source.arrays[copy], source.arrays[original]):
            wrong.append(f"{copy} differs from {original}; only output layers tied to the embedding are supported")
    return wrong


def save_huggingface(
    path: str | os.PathLike, checkpoint: Checkpoint, *, family: str | None = None, force: bool = False
) -> Path:
    """Write a folder that `transformers` loads with its Auto classes; it appears whole or not at all.

    Args:
        path: of the new folder.
        checkpoint: its encoder must have a form of BERT, DistilBERT or RoBERTa.
        family: "bert", "distilbert" or "roberta"; by itself whichever fits.
        force: replace an existing Hugging Face folder.

    Raises:
        CheckpointError: the encoder has another form, or the folder exists or cannot be written.
    """
    path = Path(path)
    if checkpoint.task not in ENCODER_TASKS:
        raise CheckpointError(f"{path}: a {checkpoint.task} model cannot be written for transformers, encoders can")
    if broken := non_finite_weights(checkpoint.model):
        raise CheckpointError(f"{path}: {len(broken)} weights hold NaN or infinity, first {broken[0]}; not written")
    if path.exists() and not (force and path.is_dir() and (is_huggingface(path) or not any(path.iterdir()))):
        way_out = "not a Hugging Face model; it is not replaced" if force else "choose another output or use --force"
        raise CheckpointError(f"{path} exists; {way_out}")
    kind = family_named(checkpoint.config, checkpoint.task, family or _kind_of(checkpoint.tokenizer, checkpoint.config))
    pad_id = checkpoint.tokenizer.pad_id
    their = with_padding(FAMILIES[kind], pad_id)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_file(_their_arrays(checkpoint, their), temporary / SINGLE, metadata={"format": "pt"})
        write_huggingface_tokenizer(temporary, checkpoint.tokenizer, model_max_length=checkpoint.max_length)
        if checkpoint.task == "embedding":
            _write_pooling(temporary, checkpoint)
        values = huggingface_config(kind, checkpoint.config, checkpoint.task, checkpoint.labels, pad_id=pad_id)
        write_json(temporary / "config.json", values)
        replace_folder(temporary, path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot write {path}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def _kind_of(tokenizer: Tokenizer, config: EncoderConfig) -> str | None:
    """Return "bert" where one segment could also be RoBERTa's, but the tokens are BERT's."""
    is_bert = (
        config.num_segments == 1 and config.pooler_activation == "tanh" and tokenizer.token(tokenizer.cls_id) == "[CLS]"
    )
    return "bert" if is_bert else None


def _their_arrays(checkpoint: Checkpoint, family: Family) -> dict[str, np.ndarray]:
    ours = weight_arrays(checkpoint.model)
    if not family.segments:  # the one segment is part of every position
        ours["input_embeddings/positions"] = ours["input_embeddings/positions"] + ours.pop(_NO_SEGMENTS)[0]
    theirs: dict[str, np.ndarray] = {}
    table = rules(family, checkpoint.config, checkpoint.task)
    heads = {name for rule in table if "head" in rule.ours for name in rule.theirs}
    if family.classifier_pooler and checkpoint.task in TEXT_TASKS:
        heads |= {f"{family.classifier_pooler}.weight", f"{family.classifier_pooler}.bias"}
    prefix = family.prefix if heads else ""
    for rule in table:
        for name, array in zip(rule.theirs, rule.to_theirs(ours.pop(rule.ours)), strict=True):
            theirs[name if name in heads else prefix + name] = np.array(array, order="C")
    if ours:
        raise CheckpointError(f"no names are known for {', '.join(sorted(ours))}")
    return theirs


def _write_pooling(folder: Path, checkpoint: Checkpoint) -> None:
    """Say, as sentence-transformers reads it, that a vector is the mean of the states, with unit length."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    entries = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    size = {"word_embedding_dimension": checkpoint.config.hidden_dim, _MEAN_POOLING: True}
    write_json(folder / "1_Pooling" / "config.json", {**size, "pooling_mode_cls_token": False})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": checkpoint.max_length, "do_lower_case": False})
