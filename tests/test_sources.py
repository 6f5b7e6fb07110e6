"""One name, whatever it names, is opened for the task that is asked for."""

from __future__ import annotations

import pytest
from small_classifier import small_classifier

from kerastx.checkpoint.store import TASKS, save_checkpoint
from kerastx.cli.import_model import Task
from kerastx.errors import CheckpointError
from kerastx.sources import load_checkpoint


def test_a_checkpoint_of_ours_has_its_task(tmp_path):
    folder = save_checkpoint(tmp_path / "small", small_classifier())
    assert load_checkpoint(folder, task="classification").task == "classification"
    with pytest.raises(CheckpointError, match="expected a checkpoint for encoder, found one for classification"):
        load_checkpoint(folder, task="encoder")


def test_the_command_line_offers_every_task():
    assert {task.value for task in Task} == set(TASKS)
