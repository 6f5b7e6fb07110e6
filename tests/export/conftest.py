"""Tiny models with strong weights, and their exports, each made once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from text_checkpoints import TEXT_CHECKPOINTS

from kerastx.checkpoint.store import Checkpoint, build_model
from kerastx.data.labelled import LabelledData
from kerastx.models.config import EncoderConfig
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.export import export_checkpoint
from kerastx_export.probe_texts import probe_pairs, probe_texts
from kerastx_export.report import Report

LABELS = ("cold", "mild", "hot")
MAX_LENGTH = 48
# Unlike any other axis of the model, so that a table is known by its shape.
MAX_SEQUENCE_LENGTH = 80


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(probe_texts(), vocabulary_size=300)


@pytest.fixture(scope="session")
def make_checkpoint(tokenizer) -> Callable[..., Checkpoint]:
    """A function from a seed, a task and choices of the encoder to a model that tells texts apart."""

    def make(
        *,
        seed: int = 5,
        task: str = "classification",
        labels: tuple[str, ...] = LABELS,
        pair: bool = False,
        **choices,
    ) -> Checkpoint:
        sizes = {"hidden_dim": 64, "num_layers": 2, "num_heads": 2, "intermediate_dim": 128}
        config = EncoderConfig(
            vocabulary_size=tokenizer.vocabulary_size,
            **{**sizes, "max_sequence_length": MAX_SEQUENCE_LENGTH, **choices},
        )
        model = build_model(task, config, labels)
        _fill(model, np.random.default_rng(seed))
        checkpoint = Checkpoint(
            model=model,
            tokenizer=tokenizer,
            config=config,
            task=task,
            labels=labels,
            pair=pair,
            max_length=MAX_LENGTH,
            description="Weather, for tests.",
        )
        if labels:
            _balance(checkpoint)
        return checkpoint

    return make


def _fill(model, generator: np.random.Generator) -> None:
    """Draw weights that keep states of size 1 through the stack: fresh ones answer the same to every text."""
    for variable in model.weights:
        if variable.path.endswith("gamma"):
            values = generator.normal(1.0, 0.2, variable.shape)
        elif len(variable.shape) == 1:
            values = generator.normal(0.0, 0.1, variable.shape)
        elif variable.path.endswith("kernel"):
            values = generator.normal(0.0, 1.2 / np.sqrt(variable.shape[0]), variable.shape)
        else:
            values = generator.normal(0.0, 0.7, variable.shape)
        variable.assign(values.astype(np.float32))


def _balance(checkpoint: Checkpoint) -> None:
    """Shift the logits so that every label is an answer to some of the texts."""
    texts, pairs = probe_pairs() if checkpoint.pair else (probe_texts(), None)
    encodings = checkpoint.tokenizer.encode_batch(texts, pairs, max_length=checkpoint.max_length)
    logits = checkpoint.model(checkpoint.tokenizer.pad(encodings), training=False)["logits"].numpy()
    bias = next(variable for variable in checkpoint.model.weights if variable.path == "classifier_head/bias")
    bias.assign(bias.numpy() - logits.mean(axis=0))


@pytest.fixture(scope="session")
def classifiers(make_checkpoint) -> dict[str, Checkpoint]:
    """One classifier for each place of the layer norms."""
    return {norm: make_checkpoint(norm=norm) for norm in ("post-norm", "pre-norm")}


@pytest.fixture(scope="session")
def small(make_checkpoint) -> Checkpoint:
    """One layer, for what does not depend on the depth."""
    return make_checkpoint(num_layers=1)


@pytest.fixture(scope="session")
def dev(classifiers) -> LabelledData:
    """150 texts, of which the post-norm classifier gets exactly 4 in 5 right."""
    checkpoint, texts = classifiers["post-norm"], probe_texts()[-150:]
    encodings = checkpoint.tokenizer.encode_batch(texts, max_length=checkpoint.max_length)
    logits = checkpoint.model(checkpoint.tokenizer.pad(encodings), training=False)["logits"].numpy()
    answers = logits.argmax(axis=1)
    answers[::5] += 1
    return LabelledData.of(texts, [LABELS[answer % len(LABELS)] for answer in answers], LABELS)


@pytest.fixture(scope="session")
def exported(classifiers, dev, tmp_path_factory) -> Callable[[str, str], tuple[Report, Path]]:
    """A function from norm and recipe to the report and the folder of an export to both formats."""

    @functools.cache
    def export(norm: str, recipe: str) -> tuple[Report, Path]:
        folder = tmp_path_factory.mktemp(norm) / recipe
        return export_checkpoint(
            classifiers[norm], folder, recipe=recipe, dev=dev if norm == "post-norm" else None, inputs="ids"
        ), folder

    return export


@pytest.fixture(scope="session")
def text_export(tmp_path_factory) -> Callable[[str], tuple[Checkpoint, Report, Path]]:
    """A function from a name in TEXT_CHECKPOINTS to it, and the report and the files, without suffix, of an export.

    They take ids and text, in both formats; "wordpiece" is int8, the others are fp32.
    """

    @functools.cache
    def export(name: str) -> tuple[Checkpoint, Report, Path]:
        checkpoint, folder = TEXT_CHECKPOINTS[name](), tmp_path_factory.mktemp(name)
        recipe = "dynamic_wi8_afp32" if name == "wordpiece" else "fp32"
        report = export_checkpoint(checkpoint, folder, recipe=recipe, inputs="both")
        return checkpoint, report, folder / f"{checkpoint.task}-{recipe}"

    return export


@pytest.fixture(scope="session")
def few_bytes(tmp_path_factory) -> tuple[Report, Path]:
    """The report and the .tflite of the small classifier that reads 150 bytes of a text."""
    checkpoint, folder = TEXT_CHECKPOINTS["wordpiece"](), tmp_path_factory.mktemp("few_bytes")
    report = export_checkpoint(checkpoint, folder, formats=("tflite",), inputs="both", text_bytes=150)
    return report, folder / "classification-dynamic_wi8_afp32.tflite"


@pytest.fixture(scope="session")
def fp32_tflite(exported) -> bytes:
    """The content of the post-norm fp32 .tflite file."""
    _, folder = exported("post-norm", "fp32")
    return (folder / "classification-fp32.tflite").read_bytes()


@pytest.fixture(scope="session")
def fp32_onnx(exported) -> onnx.ModelProto:
    """The post-norm fp32 .onnx file; a test that changes it takes a copy."""
    _, folder = exported("post-norm", "fp32")
    return onnx.load(folder / "classification-fp32.onnx")
