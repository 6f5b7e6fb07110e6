"""Text to a trained Keras Transformer, and from there to one small file that answers without TensorFlow.

Every public name is found here and loaded when it is first used: `import kerastx` costs nothing, and a
machine with only the runtime installed never meets keras or tensorflow.

    text and data   Tokenizer, prepare, open_store, pretraining_dataset, read_labelled, classification_dataset,
                    similarity_dataset, read_tagged, tagging_dataset, read_questions, span_dataset,
                    context_separator
    on every disk   write_python_docs, write_python_labels, write_python_entities, write_python_pairs
    models          EncoderConfig, build_pretrainer, start_from_counts, build_classifier, build_tagger,
                    build_span_extractor, build_sentence_encoder, add_lora
    compile, fit    adamw, WarmupLinearDecay, cross_entropy, pretraining_losses, pretraining_metrics,
                    CoSent, InBatchNegatives
    models of all   load: checkpoints, exported files, Hugging Face folders and names; call it on texts
    checkpoints     Checkpoint, save_checkpoint, transfer_weights, from_keras_nlp
    files           export (checkpoint -> .tflite and .onnx)
    questions       question_scores, SpanSettings
    texts           the module writing: language models, translators
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerastx.analysis.question_scores import question_scores
    from kerastx.checkpoint.keras_nlp import from_keras_nlp
    from kerastx.checkpoint.store import Checkpoint, save_checkpoint
    from kerastx.checkpoint.weights import transfer_weights
    from kerastx.data.pipeline import classification_dataset, pretraining_dataset
    from kerastx.data.prepare import prepare
    from kerastx.data.python_docs import write_corpus as write_python_docs
    from kerastx.data.python_docs import write_labelled as write_python_labels
    from kerastx.data.questions import read_questions
    from kerastx.data.readers import read_labelled
    from kerastx.data.similarity import similarity_dataset
    from kerastx.data.spans import span_dataset
    from kerastx.data.spoken_python import write_entities as write_python_entities
    from kerastx.data.spoken_python import write_pairs as write_python_pairs
    from kerastx.data.store import open_store
    from kerastx.data.tagged import read_tagged
    from kerastx.data.tagging import tagging_dataset
    from kerastx.models.classifier import build_classifier
    from kerastx.models.config import EncoderConfig
    from kerastx.models.lora import add_lora
    from kerastx.models.pretraining import build_pretrainer
    from kerastx.models.sentence_encoder import build_sentence_encoder
    from kerastx.models.span_extractor import build_span_extractor
    from kerastx.models.tagger import build_tagger
    from kerastx.models.warm_start import start_from_counts
    from kerastx.sources import load
    from kerastx.text.question_windows import SpanSettings, context_separator
    from kerastx.text.tokenizer import Tokenizer
    from kerastx.training.losses import cross_entropy, pretraining_losses
    from kerastx.training.metrics import pretraining_metrics
    from kerastx.training.optimizers import adamw
    from kerastx.training.schedules import WarmupLinearDecay
    from kerastx.training.similarity_losses import CoSent, InBatchNegatives
    from kerastx_export.export import export_checkpoint as export

__version__ = "0.1.0"

# Modules that `import kerastx` alone gives access to, as in `kerastx.runtime.load(file)`.
_MODULES = ("artifact", "errors", "runtime", "writing")

# Public name -> "module:attribute".
_HOMES = {
    "Checkpoint": "kerastx.checkpoint.store:Checkpoint",
    "CoSent": "kerastx.training.similarity_losses:CoSent",
    "EncoderConfig": "kerastx.models.config:EncoderConfig",
    "InBatchNegatives": "kerastx.training.similarity_losses:InBatchNegatives",
    "SpanSettings": "kerastx.text.question_windows:SpanSettings",
    "Tokenizer": "kerastx.text.tokenizer:Tokenizer",
    "WarmupLinearDecay": "kerastx.training.schedules:WarmupLinearDecay",
    "adamw": "kerastx.training.optimizers:adamw",
    "add_lora": "kerastx.models.lora:add_lora",
    "build_classifier": "kerastx.models.classifier:build_classifier",
    "build_pretrainer": "kerastx.models.pretraining:build_pretrainer",
    "build_sentence_encoder": "kerastx.models.sentence_encoder:build_sentence_encoder",
    "build_span_extractor": "kerastx.models.span_extractor:build_span_extractor",
    "build_tagger": "kerastx.models.tagger:build_tagger",
    "classification_dataset": "kerastx.data.pipeline:classification_dataset",
    "context_separator": "kerastx.text.question_windows:context_separator",
    "cross_entropy": "kerastx.training.losses:cross_entropy",
    "export": "kerastx_export.export:export_checkpoint",
    "from_keras_nlp": "kerastx.checkpoint.keras_nlp:from_keras_nlp",
    "load": "kerastx.sources:load",
    "open_store": "kerastx.data.store:open_store",
    "prepare": "kerastx.data.prepare:prepare",
    "pretraining_dataset": "kerastx.data.pipeline:pretraining_dataset",
    "pretraining_losses": "kerastx.training.losses:pretraining_losses",
    "pretraining_metrics": "kerastx.training.metrics:pretraining_metrics",
    "question_scores": "kerastx.analysis.question_scores:question_scores",
    "read_labelled": "kerastx.data.readers:read_labelled",
    "read_questions": "kerastx.data.questions:read_questions",
    "read_tagged": "kerastx.data.tagged:read_tagged",
    "save_checkpoint": "kerastx.checkpoint.store:save_checkpoint",
    "similarity_dataset": "kerastx.data.similarity:similarity_dataset",
    "span_dataset": "kerastx.data.spans:span_dataset",
    "start_from_counts": "kerastx.models.warm_start:start_from_counts",
    "tagging_dataset": "kerastx.data.tagging:tagging_dataset",
    "transfer_weights": "kerastx.checkpoint.weights:transfer_weights",
    "write_python_docs": "kerastx.data.python_docs:write_corpus",
    "write_python_entities": "kerastx.data.spoken_python:write_entities",
    "write_python_labels": "kerastx.data.python_docs:write_labelled",
    "write_python_pairs": "kerastx.data.spoken_python:write_pairs",
}

__all__ = [
    "Checkpoint",
    "CoSent",
    "EncoderConfig",
    "InBatchNegatives",
    "SpanSettings",
    "Tokenizer",
    "WarmupLinearDecay",
    "__version__",
    "adamw",
    "add_lora",
    "build_classifier",
    "build_pretrainer",
    "build_sentence_encoder",
    "build_span_extractor",
    "build_tagger",
    "classification_dataset",
    "context_separator",
    "cross_entropy",
    "export",
    "from_keras_nlp",
    "load",
    "open_store",
    "prepare",
    "pretraining_dataset",
    "pretraining_losses",
    "pretraining_metrics",
    "question_scores",
    "read_labelled",
    "read_questions",
    "read_tagged",
    "save_checkpoint",
    "similarity_dataset",
    "span_dataset",
    "start_from_counts",
    "tagging_dataset",
    "transfer_weights",
    "write_python_docs",
    "write_python_entities",
    "write_python_labels",
    "write_python_pairs",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"kerastx.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'kerastx' has no attribute {name!r}; it has {', '.join(__all__)}.")
    module, attribute = _HOMES[name].split(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
