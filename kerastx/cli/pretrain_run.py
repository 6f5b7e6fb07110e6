"""The pieces of a pretraining run put together: store, lesson, fit."""

from __future__ import annotations

from kerastx.checkpoint.store import read_config
from kerastx.cli.lesson_run import check_run_output, run_lesson
from kerastx.cli.pretrain_causal import causal_lesson
from kerastx.cli.pretrain_corrupted import corrupted_lesson
from kerastx.cli.pretrain_masked import masked_lesson
from kerastx.cli.pretrain_request import PretrainRequest
from kerastx.data.store import open_store
from kerastx.models.decoder_config import LanguageModelConfig, Seq2SeqConfig

LESSONS = {"pretraining": masked_lesson, "language_model": causal_lesson, "seq2seq": corrupted_lesson}


def run_pretraining(request: PretrainRequest) -> dict[str, float]:
    """Train, save and say how good the model became; return the last logs."""
    store = open_store(request.data)
    check_run_output(request)
    _, logs = run_lesson(request, LESSONS[_task(request)](request, store))
    return logs


def _task(request: PretrainRequest) -> str:
    """Return what is trained: the checkpoint to go on from says so, or the family of the preset."""
    if request.start is not None:
        task = read_config(request.start).get("task")
        return task if task in LESSONS else "pretraining"
    family, _, _ = request.preset.rpartition("-")
    writing = {"language_model": LanguageModelConfig.families, "seq2seq": Seq2SeqConfig.families}
    return next((task for task, families in writing.items() if family in families), "pretraining")
