"""Text to a trained Keras Transformer, and from there to one small file that answers without TensorFlow.

Every public name is found here and loaded when it is first used: `import kerastx` costs nothing, and a
machine with only the runtime installed never meets keras or tensorflow.

    text and data   Tokenizer, prepare, open_store, read_labelled, pretraining_dataset, classification_dataset
    models          EncoderConfig, build_pretrainer, build_classifier
    compile, fit    adamw, WarmupLinearDecay
    checkpoints     save_checkpoint, load_checkpoint
    files           export (checkpoint -> .tflite and .onnx), load (.tflite or .onnx -> answers)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerastx.checkpoint.store import load_checkpoint, save_checkpoint
    from kerastx.data.pipeline import classification_dataset, pretraining_dataset
    from kerastx.data.prepare import prepare
    from kerastx.data.readers import read_labelled
    from kerastx.data.store import open_store
    from kerastx.models.classifier import build_classifier
    from kerastx.models.config import EncoderConfig
    from kerastx.models.pretraining import build_pretrainer
    from kerastx.runtime.session import load
    from kerastx.text.tokenizer import Tokenizer
    from kerastx.training.optimizers import adamw
    from kerastx.training.schedules import WarmupLinearDecay
    from kerastx_export import export_checkpoint as export

__version__ = "0.1.0"

# Modules that `import kerastx` alone gives access to, as in `kerastx.runtime.load(file)`.
_MODULES = ("artifact", "errors", "runtime")

# Public name -> "module:attribute".
_HOMES = {
    "EncoderConfig": "kerastx.models.config:EncoderConfig",
    "Tokenizer": "kerastx.text.tokenizer:Tokenizer",
    "WarmupLinearDecay": "kerastx.training.schedules:WarmupLinearDecay",
    "adamw": "kerastx.training.optimizers:adamw",
    "build_classifier": "kerastx.models.classifier:build_classifier",
    "build_pretrainer": "kerastx.models.pretraining:build_pretrainer",
    "classification_dataset": "kerastx.data.pipeline:classification_dataset",
    "export": "kerastx_export:export_checkpoint",
    "load": "kerastx.runtime.session:load",
    "load_checkpoint": "kerastx.checkpoint.store:load_checkpoint",
    "open_store": "kerastx.data.store:open_store",
    "prepare": "kerastx.data.prepare:prepare",
    "pretraining_dataset": "kerastx.data.pipeline:pretraining_dataset",
    "read_labelled": "kerastx.data.readers:read_labelled",
    "save_checkpoint": "kerastx.checkpoint.store:save_checkpoint",
}

__all__ = [
    "EncoderConfig",
    "Tokenizer",
    "WarmupLinearDecay",
    "__version__",
    "adamw",
    "build_classifier",
    "build_pretrainer",
    "classification_dataset",
    "export",
    "load",
    "load_checkpoint",
    "open_store",
    "prepare",
    "pretraining_dataset",
    "read_labelled",
    "save_checkpoint",
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
