"""Step checkpoints: everything that a run needs to go on, and what happens when one is broken."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kerastx.checkpoint.progress import Progress, SettingsChangedError, load_step, save_step, step_folders
from kerastx.checkpoint.weights import optimizer_arrays, random_state_arrays, weight_arrays
from kerastx.errors import CheckpointError
from kerastx.training.losses import cross_entropy
from kerastx.training.optimizers import adamw

SETTINGS = {"seed": 1, "batch_size": 4}
BATCH = {
    "token_ids": np.arange(24, dtype="int32").reshape(4, 6),
    "segment_ids": np.zeros((4, 6), "int32"),
    "padding_mask": np.ones((4, 6), bool),
}


@pytest.fixture
def make_trained(make_checkpoint):
    """A function from a number of steps to a compiled checkpoint that was trained for them."""

    def make(steps: int):
        checkpoint = make_checkpoint()
        checkpoint.model.compile(adamw(1e-2, 20), loss={"logits": cross_entropy()}, jit_compile=False)
        checkpoint.model.optimizer.build(checkpoint.model.trainable_variables)
        for _ in range(steps):
            checkpoint.model.train_on_batch(BATCH, {"logits": np.array([0, 1, 0, 1])})
        return checkpoint

    return make


def state(checkpoint) -> dict[str, np.ndarray]:
    model = checkpoint.model
    return {**weight_arrays(model), **optimizer_arrays(model.optimizer), **random_state_arrays(model)}


def test_a_loaded_step_goes_on_exactly(make_trained, tmp_path):
    trained = make_trained(3)
    progress = Progress(step=3, settings=SETTINGS, state={"seconds": 1.5, "total_steps": 20})
    folder = save_step(tmp_path, trained, progress, keep=2)
    resumed = make_trained(0)
    assert load_step(folder, resumed, SETTINGS) == progress
    assert int(resumed.model.optimizer.iterations) == 3
    for _ in range(2):
        for checkpoint in (trained, resumed):
            checkpoint.model.train_on_batch(BATCH, {"logits": np.array([0, 1, 0, 1])})
    expected, found = state(trained), state(resumed)
    assert len(expected) > 30
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_only_the_newest_steps_stay(make_trained, tmp_path):
    trained = make_trained(0)
    for step in (5, 10, 15):
        save_step(tmp_path, trained, Progress(step=step, settings=SETTINGS, state={}), keep=2)
    assert [folder.name for folder in step_folders(tmp_path)] == ["step-000000015", "step-000000010"]


def test_other_settings_are_refused(make_trained, tmp_path):
    trained = make_trained(0)
    folder = save_step(tmp_path, trained, Progress(step=0, settings=SETTINGS, state={}), keep=1)
    with pytest.raises(SettingsChangedError, match="batch_size was 4, is 8; seed was 1, is 2"):
        load_step(folder, trained, {"seed": 2, "batch_size": 8})


@pytest.mark.parametrize(
    "name", ["model.safetensors", "training.safetensors", "random.safetensors", "progress.json", "config.json"]
)
def test_a_damaged_file_is_noticed(make_trained, tmp_path, name):
    trained = make_trained(0)
    folder = save_step(tmp_path, trained, Progress(step=0, settings=SETTINGS, state={}), keep=1)
    file = folder / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="altered|not readable"):
        load_step(folder, trained, SETTINGS)


def test_a_failed_save_leaves_the_run_as_it_was(make_trained, tmp_path, monkeypatch):
    trained = make_trained(0)
    save_step(tmp_path, trained, Progress(step=1, settings=SETTINGS, state={}), keep=1)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kerastx.checkpoint.progress.write_checkpoint_files", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_step(tmp_path, trained, Progress(step=2, settings=SETTINGS, state={}), keep=1)
    assert [path.name for path in (tmp_path / "steps").iterdir()] == ["step-000000001"]


@pytest.mark.parametrize(("name", "key"), [("config.json", "sha256"), ("progress.json", "sha256")])
def test_a_file_without_its_hashes_is_noticed(make_trained, tmp_path, name, key):
    trained = make_trained(0)
    folder = save_step(tmp_path, trained, Progress(step=0, settings=SETTINGS, state={}), keep=1)
    values = json.loads((folder / name).read_text())
    for damaged in ({k: v for k, v in values.items() if k != key}, {**values, key: 3}, {**values, key: {}}):
        (folder / name).write_text(json.dumps(damaged))
        with pytest.raises(CheckpointError, match="incomplete or altered"):
            load_step(folder, trained, SETTINGS)
