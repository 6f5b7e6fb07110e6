"""The pieces of a pretraining run put together: store, lesson, fit."""

from __future__ import annotations

from kerastx.checkpoint.store import read_config
from kerastx.cli.lesson_run import check_run_output, run_lesson
from kerastx.cli.pretrain_causal import causal_lesson
from kerastx.cli.pretrain_masked import masked_lesson
from kerastx.cli.pretrain_request import PretrainRequest
from kerastx.data.store import open_store


def run_pretraining(request: PretrainRequest) -> dict[str, float]:
    """Train, save and say how good the model became; return the last logs."""
    store = open_store(request.data)
    check_run_output(request)
    lesson = (causal_lesson if _writes(request) else masked_lesson)(request, store)
    _, logs = run_lesson(request, lesson)
    return logs


def _writes(request: PretrainRequest) -> bool:
    """Whether a language model is trained: the preset's family says so, or the checkpoint to go on from."""
    if request.start is not None:
        return read_config(request.start).get("task") == "language_model"
    return "-" in request.preset
