"""The tasks of checkpoints, and the model and the config of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kerastx.models.classifier import build_classifier, build_regressor
from kerastx.models.config import EncoderConfig
from kerastx.models.decoder_config import LanguageModelConfig, Seq2SeqConfig
from kerastx.models.encoder import build_encoder
from kerastx.models.language_model import LanguageModel
from kerastx.models.masked_lm import build_masked_lm
from kerastx.models.pretraining import build_pretrainer
from kerastx.models.sentence_encoder import build_sentence_encoder
from kerastx.models.seq2seq import Seq2Seq
from kerastx.models.span_extractor import build_span_extractor
from kerastx.models.tagger import build_tagger
from kerastx.text.question_windows import context_separator
from kerastx.text.tags import bio_tags
from kerastx.text.tokenizer import Tokenizer

# Heads that answer for whole texts: one of several labels, any of them, a number.
TEXT_TASKS = ("classification", "multi_label", "regression")
# Models that write texts: on from a beginning, or for a source.
GENERATING_TASKS = ("language_model", "seq2seq")
ENCODER_TASKS = ("encoder", "pretraining", "masked_lm", "embedding", "tagging", "span", *TEXT_TASKS)
TASKS = (*ENCODER_TASKS, *GENERATING_TASKS)

_GENERATOR_CONFIGS: dict[str, type[LanguageModelConfig] | type[Seq2SeqConfig]] = {
    "language_model": LanguageModelConfig,
    "seq2seq": Seq2SeqConfig,
}


def config_key(task: str) -> str:
    """Return the name under which a checkpoint's config.json has the config of its model."""
    return task if task in GENERATING_TASKS else "encoder"


def config_type(task: str) -> type[EncoderConfig] | type[LanguageModelConfig] | type[Seq2SeqConfig]:
    """Return the class of the config of a task's model; ValueError for a task that is not known."""
    if task not in TASKS:
        raise ValueError(f"task must be one of {TASKS}, got {task!r}.")
    return _GENERATOR_CONFIGS.get(task, EncoderConfig)


def check_config(task: str, config: Any) -> None:
    """Check that a config is of a task's model: ValueError for an unknown task, TypeError for another config."""
    if not isinstance(config, expected := config_type(task)):
        raise TypeError(f"the config of a {task} model must be a {expected.__name__}, got {type(config).__name__}.")


def build_model(
    task: str, config: Any, labels: tuple[str, ...] = (), *, tokenizer: Tokenizer | None = None
) -> keras.Model:
    """Build the model of a task with fresh weights.

    Args:
        task: see `Checkpoint`.
        config: an `EncoderConfig`; a `LanguageModelConfig` or `Seq2SeqConfig` for models that write.
        labels: see `Checkpoint`.
        tokenizer: for "span", whose model tells the context from the question by the separators between them.
    """
    check_config(task, config)
    if task in ("classification", "multi_label"):
        return build_classifier(config, num_classes=len(labels))
    if task == "tagging":
        return build_tagger(config, num_tags=len(bio_tags(labels)))
    if task == "span":
        if tokenizer is None:
            raise ValueError("the model of the task span is built for a tokenizer.")
        return build_span_extractor(config, **context_separator(tokenizer)._asdict())
    builders: dict[str, Callable[[Any], keras.Model]] = {
        "encoder": build_encoder,
        "pretraining": build_pretrainer,
        "masked_lm": build_masked_lm,
        "embedding": build_sentence_encoder,
        "regression": build_regressor,
        "language_model": LanguageModel,
        "seq2seq": Seq2Seq,
    }
    return builders[task](config)
