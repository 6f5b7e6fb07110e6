"""Checkpoints of models that write: round trips, two vocabularies, and configs that do not fit."""

from __future__ import annotations

import json

import generating_models
import numpy as np
import pytest
from keras import ops

from kerastx.checkpoint.store import Checkpoint, load_checkpoint, save_checkpoint
from kerastx.checkpoint.tasks import build_model
from kerastx.checkpoint.weights import weight_arrays
from kerastx.errors import CheckpointError, DataError
from kerastx.models.decoder_config import LanguageModelConfig, Seq2SeqConfig
from kerastx.models.language_model import LanguageModel
from kerastx.sources import load_start
from kerastx.text.tokenizer import Tokenizer

SIZES = {**generating_models.SIZES, "max_sequence_length": 32}


@pytest.fixture(scope="session")
def source_tokenizer() -> Tokenizer:
    return Tokenizer.train(["der hund lief", "die katze sass", "es regnet"] * 5, vocabulary_size=64)


@pytest.fixture
def make(tokenizer, source_tokenizer):
    """A function from task and changes to a checkpoint with fresh weights; "own" has a vocabulary of its source."""

    def make(task: str, **changes) -> Checkpoint:
        if task == "language_model":
            config = LanguageModelConfig.preset("llama-tiny", vocabulary_size=tokenizer.vocabulary_size, **SIZES)
            return Checkpoint(
                model=build_model(task, config), tokenizer=tokenizer, config=config, task=task, max_length=16, **changes
            )
        own = {"source_vocabulary_size": source_tokenizer.vocabulary_size} if task == "own" else {}
        config = Seq2SeqConfig.preset("transformer-tiny", vocabulary_size=tokenizer.vocabulary_size, **SIZES, **own)
        parts = {"source_tokenizer": source_tokenizer if own else None, "max_length": 16, **changes}
        return Checkpoint(
            model=build_model("seq2seq", config), tokenizer=tokenizer, config=config, task="seq2seq", **parts
        )

    return make


@pytest.mark.parametrize("task", ["language_model", "seq2seq", "own"])
def test_round_trip(make, tmp_path, task):
    saved = make(task)
    loaded = load_checkpoint(save_checkpoint(tmp_path / task, saved))
    for name in ("task", "max_length", "config"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert type(loaded.config) is type(saved.config)
    assert loaded.tokenizer.sha256 == saved.tokenizer.sha256
    assert (loaded.source_tokenizer is None) == (task != "own")
    if task == "own":
        assert loaded.source_tokenizer.sha256 == saved.source_tokenizer.sha256
    expected, found = weight_arrays(saved.model), weight_arrays(loaded.model)
    assert list(found) == list(expected)
    for path, array in expected.items():
        np.testing.assert_array_equal(found[path], array)


def test_a_model_of_packed_rows_is_the_same_checkpoint(make, tmp_path):
    plain = make("language_model")
    packed = LanguageModel(plain.config, packed=True)
    for variable, value in zip(packed.weights, plain.model.weights, strict=True):
        variable.assign(value)
    plain.model = packed
    loaded = load_checkpoint(save_checkpoint(tmp_path / "packed", plain)).model
    assert not loaded.packed
    ids = np.array([[5, 6, 7]], "int32")
    logits = loaded({"token_ids": ids, "padding_mask": ids > 0})["logits"]
    rows = {"positions": np.array([[0, 1, 2]], "int32"), "sequence_ids": np.ones((1, 3), "int32")}
    expected = packed({"token_ids": ids, "padding_mask": ids > 0, **rows})["logits"]
    np.testing.assert_allclose(ops.convert_to_numpy(logits), ops.convert_to_numpy(expected), atol=1e-6)


def edit(folder, change) -> None:
    file = folder / "config.json"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("task", "change", "message"),
    [
        ("language_model", lambda v: v.pop("language_model"), "lacks 'language_model'"),
        ("language_model", lambda v: v["language_model"].update(num_head=1), "unknown language model config keys"),
        ("language_model", lambda v: v["language_model"].update(vocabulary_size=9), "has .* tokens, the model 9"),
        ("language_model", lambda v: v["language_model"].update(num_layers=1), "decoder_block_1/.* not part of"),
        ("language_model", lambda v: v.update(task="seq2seq"), "lacks 'seq2seq'"),
        ("language_model", lambda v: v.update(max_length=33), r"max_length must be in \[3, 32\], got 33"),
        ("seq2seq", lambda v: v["seq2seq"].update(positions="rotary"), "must be learned, sinusoidal or relative"),
        ("seq2seq", lambda v: v.update(own_source_tokenizer=1), 'true or false as "own_source_tokenizer", got 1'),
        ("own", lambda v: v["seq2seq"].update(source_vocabulary_size=9), "the source has .* tokens, the model 9"),
        ("own", lambda v: v.update(own_source_tokenizer=False), "the source has .* tokens, the model"),
    ],
)
def test_a_wrong_config_is_one_clear_error(make, tmp_path, task, change, message):
    folder = save_checkpoint(tmp_path / task, make(task))
    edit(folder, change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_the_tokenizer_of_the_source_may_not_be_missing(make, tmp_path):
    folder = save_checkpoint(tmp_path / "own", make("own"))
    (folder / "source_tokenizer.json").unlink()
    with pytest.raises((CheckpointError, DataError), match=r"source_tokenizer\.json"):
        load_checkpoint(folder)


def test_a_tokenizer_of_sources_is_for_models_with_a_source(make, source_tokenizer):
    with pytest.raises(ValueError, match="source_tokenizer is of the task seq2seq, got one for language_model"):
        make("language_model", source_tokenizer=source_tokenizer)


def test_a_model_takes_the_config_of_its_task(config):
    with pytest.raises(TypeError, match="of a seq2seq model must be a Seq2SeqConfig, got EncoderConfig"):
        build_model("seq2seq", config)


def test_a_model_that_writes_is_no_start_for_an_encoder(make, tmp_path):
    folder = save_checkpoint(tmp_path / "writer", make("language_model"))
    with pytest.raises(CheckpointError, match="is a language_model checkpoint; expected one of an encoder"):
        load_start(folder)
