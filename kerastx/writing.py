"""Models that write texts, in Python: what `compile` and `fit` take, each name loaded when it is first used.

on from a beginning   LanguageModelConfig, LanguageModel, next_token_dataset (of an exact token store)
for another text      Seq2SeqConfig, Seq2Seq, read_text_pairs, TextPairs, TextPairBatches
compile               generation_losses, generation_metrics
scores                corpus_bleu, corpus_chrf, rouge, run_tests (of programs)
exported with dev=    read_held_text, HeldText, of a language model; of the others read_text_pairs
on every disk         write_python_summaries, write_python_programs
what is written       `Checkpoint.generate` and `Checkpoint.stream`, with GenerationSettings
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerastx.analysis.bleu import corpus_bleu
    from kerastx.analysis.chrf import corpus_chrf
    from kerastx.analysis.rouge import rouge
    from kerastx.analysis.running_tests import run_tests
    from kerastx.data.documented_python import write_programs as write_python_programs
    from kerastx.data.documented_python import write_summaries as write_python_summaries
    from kerastx.data.held_text import HeldText, read_held_text
    from kerastx.data.running_text import next_token_dataset
    from kerastx.data.text_pair_batches import TextPairBatches
    from kerastx.data.text_pairs import TextPairs, read_text_pairs
    from kerastx.models.decoder_config import LanguageModelConfig, Seq2SeqConfig
    from kerastx.models.language_model import LanguageModel
    from kerastx.models.seq2seq import Seq2Seq
    from kerastx.runtime.generation_settings import GenerationSettings
    from kerastx.training.losses import generation_losses
    from kerastx.training.metrics import generation_metrics

# Name -> "module:attribute".
_HOMES = {
    "GenerationSettings": "kerastx.runtime.generation_settings:GenerationSettings",
    "HeldText": "kerastx.data.held_text:HeldText",
    "LanguageModel": "kerastx.models.language_model:LanguageModel",
    "LanguageModelConfig": "kerastx.models.decoder_config:LanguageModelConfig",
    "Seq2Seq": "kerastx.models.seq2seq:Seq2Seq",
    "Seq2SeqConfig": "kerastx.models.decoder_config:Seq2SeqConfig",
    "TextPairBatches": "kerastx.data.text_pair_batches:TextPairBatches",
    "TextPairs": "kerastx.data.text_pairs:TextPairs",
    "corpus_bleu": "kerastx.analysis.bleu:corpus_bleu",
    "corpus_chrf": "kerastx.analysis.chrf:corpus_chrf",
    "generation_losses": "kerastx.training.losses:generation_losses",
    "generation_metrics": "kerastx.training.metrics:generation_metrics",
    "next_token_dataset": "kerastx.data.running_text:next_token_dataset",
    "read_held_text": "kerastx.data.held_text:read_held_text",
    "read_text_pairs": "kerastx.data.text_pairs:read_text_pairs",
    "rouge": "kerastx.analysis.rouge:rouge",
    "run_tests": "kerastx.analysis.running_tests:run_tests",
    "write_python_programs": "kerastx.data.documented_python:write_programs",
    "write_python_summaries": "kerastx.data.documented_python:write_summaries",
}

__all__ = [
    "GenerationSettings",
    "HeldText",
    "LanguageModel",
    "LanguageModelConfig",
    "Seq2Seq",
    "Seq2SeqConfig",
    "TextPairBatches",
    "TextPairs",
    "corpus_bleu",
    "corpus_chrf",
    "generation_losses",
    "generation_metrics",
    "next_token_dataset",
    "read_held_text",
    "read_text_pairs",
    "rouge",
    "run_tests",
    "write_python_programs",
    "write_python_summaries",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kerastx.writing' has no attribute {name!r}; it has {', '.join(__all__)}.")
    module, attribute = _HOMES[name].split(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
