"""One way in: what a name stands for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import kerastx
from kerastx.checkpoint.huggingface import load_huggingface
from kerastx.checkpoint.store import Checkpoint, save_checkpoint
from kerastx.checkpoint.tasks import TASKS
from kerastx.cli.import_model import Task
from kerastx.errors import ArtifactError, CheckpointError
from kerastx.sources import load_start

GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture
def asked(monkeypatch):
    """The names that the Hub is asked for; it gives a classifier."""
    names = []

    def hub_folder(name, *, revision=None):
        names.append((name, revision))
        return GOLDEN / "bert-classifier"

    monkeypatch.setattr("kerastx.checkpoint.hub.hub_folder", hub_folder)
    return names


@pytest.mark.parametrize("source", [GOLDEN / "bert-classifier", str(GOLDEN / "bert-classifier")])
def test_a_folder_of_hugging_face(source):
    checkpoint = kerastx.load(source)
    assert isinstance(checkpoint, Checkpoint)
    assert (checkpoint.task, checkpoint.labels) == ("classification", ("bad", "fair", "good"))
    assert checkpoint.tokenizer.encode("a").tokens == ["[CLS]", "a", "[SEP]"]
    assert checkpoint.config.hidden_dim == 16


def test_a_checkpoint_of_ours(tmp_path):
    folder = save_checkpoint(tmp_path / "ours", load_huggingface(GOLDEN / "bert-classifier"))
    assert kerastx.load(folder).labels == ("bad", "fair", "good")
    with pytest.raises(CheckpointError, match="expected a checkpoint for encoder, found one for classification"):
        kerastx.load(folder, task="encoder")


def test_the_command_line_offers_every_task():
    assert {task.value for task in Task} == set(TASKS)


def test_a_name_of_the_hub(asked):
    assert kerastx.load("someone/some-bert", revision="abc", task="encoder").task == "encoder"
    assert asked == [("someone/some-bert", "abc")]


def test_a_folder_goes_before_the_hub(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "someone" / "some-bert", load_huggingface(GOLDEN / "bert-regression"))
    assert kerastx.load(os.path.join("someone", "some-bert")).task == "regression"
    assert asked == []


def test_a_mistyped_path_is_not_asked_for(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    with pytest.raises(CheckpointError, match="build/clasifier: expected a checkpoint folder, found nothing"):
        kerastx.load("build/clasifier")
    assert asked == []


@pytest.mark.parametrize("name", ["no.tflite", "no.onnx"])
def test_a_file_that_is_not_there(name, tmp_path):
    with pytest.raises(ArtifactError, match="there is no such file"):
        kerastx.load(tmp_path / name)


def test_a_start_keeps_the_head_that_may_serve_again():
    start = load_start(str(GOLDEN / "bert-classifier"))
    assert start.labels == ("bad", "fair", "good")
