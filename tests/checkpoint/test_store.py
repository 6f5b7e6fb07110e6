"""Checkpoints: round trips, and every way in which a folder can be wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from keras.ops import convert_to_numpy
from safetensors.numpy import load_file, save_file

from kerastx.checkpoint.store import Checkpoint, is_replaceable, load_checkpoint, save_checkpoint
from kerastx.checkpoint.weights import weight_arrays
from kerastx.errors import CheckpointError, DataError


@pytest.fixture
def folder(make_checkpoint, tmp_path):
    return save_checkpoint(tmp_path / "checkpoint", make_checkpoint())


@pytest.mark.parametrize("task", ["classification", "pretraining"])
def test_round_trip(make_checkpoint, tmp_path, task):
    saved = make_checkpoint(task)
    loaded = load_checkpoint(save_checkpoint(tmp_path / task, saved))
    for name in ("task", "labels", "max_length", "description", "config"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert loaded.tokenizer.to_json() == saved.tokenizer.to_json()
    expected = weight_arrays(saved.model)
    found = weight_arrays(loaded.model)
    assert list(found) == list(expected)
    for path, array in expected.items():
        np.testing.assert_array_equal(found[path], array)


def test_weights_are_found_by_path_not_by_position(folder):
    arrays = load_file(folder / "model.safetensors")
    assert "encoder_block_0/attention/qkv/kernel" in arrays
    assert "classifier_head/bias" in arrays
    # Safetensors sorts by name, the model does not: equal shapes in another order must not be swapped.
    loaded = load_checkpoint(folder).model
    norm = loaded.get_layer("encoder_block_0").attention_norm
    np.testing.assert_array_equal(convert_to_numpy(norm.gamma), arrays["encoder_block_0/attention_norm/gamma"])
    assert not np.array_equal(convert_to_numpy(norm.gamma), convert_to_numpy(norm.beta))


def test_an_existing_folder_is_kept_without_force(folder, make_checkpoint):
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="exists; choose another output or use --force"):
        save_checkpoint(folder, make_checkpoint())
    assert (folder / "model.safetensors").read_bytes() == before
    save_checkpoint(folder, make_checkpoint(), force=True)
    assert (folder / "model.safetensors").read_bytes() != before
    assert [path.name for path in folder.parent.iterdir()] == ["checkpoint"]


def test_a_failed_save_leaves_nothing(make_checkpoint, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kerastx.checkpoint.store.write_json", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save_checkpoint(tmp_path / "checkpoint", make_checkpoint())
    assert list(tmp_path.iterdir()) == []


def edit(folder, change) -> None:
    file = folder / "config.json"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(format="other"), 'expected "format": "kerastx-checkpoint"'),
        (lambda v: v.update(version=99), "version 99 is newer than 1; update kerastx"),
        (lambda v: v.update(task="poetry"), "task must be one of .* got 'poetry'"),
        (lambda v: v.pop("encoder"), "lacks 'encoder'"),
        (lambda v: v["encoder"].update(hiden_dim=4), "unknown encoder config keys"),
        (lambda v: v.update(max_length=900), r"max_length must be in \[3, 32\], got 900"),
        (lambda v: v.update(max_length="16"), "not supported|must be"),
        (lambda v: v["encoder"].update(vocabulary_size=7), "the tokenizer has .* tokens, the model 7"),
        (lambda v: v.update(labels=["only"]), "at least 2 classes"),
        (lambda v: v["encoder"].update(num_layers=2), "is missing"),
        (lambda v: v.update(labels="ab"), "expected a list of strings as \"labels\", got 'ab'"),
        (lambda v: v.update(labels=[0, 1]), r'expected a list of strings as "labels", got \[0, 1\]'),
        (lambda v: v.update(pair="no"), "expected true or false as \"pair\", got 'no'"),
        (lambda v: v.update(sha256="ab12"), "expected an object as \"sha256\", got 'ab12'"),
        (lambda v: v.update(sha256=[]), 'expected an object as "sha256"'),
    ],
)
def test_a_wrong_config_is_one_clear_error(folder, change, message):
    edit(folder, change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_garbage_files(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not readable JSON"):
        load_checkpoint(folder)
    (folder / "config.json").write_text("[" * 200_000)
    with pytest.raises(CheckpointError, match="not readable JSON"):
        load_checkpoint(folder)
    assert not is_replaceable(folder)


@pytest.mark.parametrize("key", ["model_type", "architectures"])
def test_a_hugging_face_model_is_told_the_way_in(tmp_path, key):
    (tmp_path / "config.json").write_text(json.dumps({key: "bert"}))
    with pytest.raises(CheckpointError, match=f"run: kerastx import {tmp_path} --output DIR"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="this is another program's file"):
        load_checkpoint(tmp_path)


def test_altered_weights_are_noticed(folder):
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="truncated or altered"):
        load_checkpoint(folder)
    file.write_bytes(content[:-100])
    with pytest.raises(CheckpointError, match="truncated or altered"):
        load_checkpoint(folder)


def test_all_mismatches_are_in_one_error(folder):
    file = folder / "model.safetensors"
    arrays = load_file(file)
    arrays["classifier_head/bias"] = np.zeros(5, "float32")
    arrays["stranger"] = np.zeros(1, "float32")
    arrays["pooler/projection/bias"][0] = np.nan
    del arrays["classifier_head/kernel"]
    save_file(arrays, file)
    edit(folder, lambda values: values.pop("sha256"))
    with pytest.raises(CheckpointError, match="4 mismatches") as caught:
        load_checkpoint(folder)
    for part in (
        "classifier_head/kernel is missing",
        "stranger is not part of the model",
        "classifier_head/bias has shape (5,), expected (2,)",
        "pooler/projection/bias holds NaN",
    ):
        assert part in str(caught.value)


def test_missing_pieces(folder, tmp_path):
    with pytest.raises(CheckpointError, match="expected a checkpoint folder, found nothing"):
        load_checkpoint(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="expected a checkpoint folder, found a file"):
        load_checkpoint(folder / "config.json")
    (tmp_path / "run" / "steps").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="not finished, continue it with --resume"):
        load_checkpoint(tmp_path / "run")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="expected a weights file here, found none"):
        load_checkpoint(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DataError, match="tokenizer.json"):
        load_checkpoint(folder)


def test_a_checkpoint_checks_its_parts(make_checkpoint, config):
    good = make_checkpoint()
    with pytest.raises(ValueError, match="task must be one of"):
        Checkpoint(model=good.model, tokenizer=good.tokenizer, config=config, task="other")


def test_force_replaces_nothing_of_anybody_else(make_checkpoint, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("precious")
    (tmp_path / "home" / "config.json").write_text('{"format": "something else"}')
    with pytest.raises(CheckpointError, match="not a kerastx checkpoint; it is not replaced"):
        save_checkpoint(tmp_path / "home", make_checkpoint(), force=True)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "precious"
