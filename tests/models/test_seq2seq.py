"""The encoder-decoder: what each side sees, its cache, its files, its learning."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from generating_models import SEQ2SEQ_MODELS, prompts, seq2seq
from keras import ops
from layer_contract import array, gradients

from kerastx.models.seq2seq import Seq2Seq


def batch_of(seed=5, length=6) -> dict[str, np.ndarray]:
    source, mask = prompts()
    lengths = np.array([[6], [6], [3]])
    return {
        "source_token_ids": source,
        "source_padding_mask": mask,
        "target_token_ids": np.random.default_rng(seed).integers(1, 25, (3, length)).astype("int32"),
        "target_padding_mask": np.arange(length)[None] < lengths,
    }


def logits_of(model, batch) -> np.ndarray:
    return array(model(batch)["logits"])


@pytest.mark.parametrize("name", SEQ2SEQ_MODELS)
def test_no_token_of_the_target_sees_what_comes_behind_it(name):
    model, batch = seq2seq(name), batch_of()
    clean = logits_of(model, batch)
    changed = {**batch, "target_token_ids": batch["target_token_ids"].copy()}
    changed["target_token_ids"][:, 3:] = 29
    found = logits_of(model, changed)
    np.testing.assert_allclose(found[:, :3], clean[:, :3], atol=1e-5)
    assert np.abs(found[0, 3:] - clean[0, 3:]).max() > 0.1


@pytest.mark.parametrize("name", SEQ2SEQ_MODELS)
def test_padding_is_not_seen_on_either_side(name):
    model, batch = seq2seq(name), batch_of()
    clean = logits_of(model, batch)
    for side in ("source", "target"):
        ids = np.where(batch[f"{side}_padding_mask"], batch[f"{side}_token_ids"], 24).astype("int32")
        real = batch["target_padding_mask"]
        np.testing.assert_allclose(logits_of(model, {**batch, f"{side}_token_ids": ids})[real], clean[real], atol=1e-5)


@pytest.mark.parametrize("name", SEQ2SEQ_MODELS)
def test_every_token_of_the_source_counts(name):
    model, batch = seq2seq(name), batch_of()
    clean = logits_of(model, batch)
    for place in range(7):
        changed = {**batch, "source_token_ids": batch["source_token_ids"].copy()}
        changed["source_token_ids"][0, place] = 24
        assert np.abs(logits_of(model, changed)[0] - clean[0]).max() > 1e-3


@pytest.mark.parametrize("first_slot", [0, None], ids=["slots", "concat"])
@pytest.mark.parametrize("name", SEQ2SEQ_MODELS)
def test_token_by_token_is_as_all_at_once(name, first_slot):
    model, batch = seq2seq(name), batch_of()
    batch["target_padding_mask"] = np.ones((3, 6), bool)
    expected = logits_of(model, batch)
    mask = batch["source_padding_mask"]
    sources = model.encode(batch["source_token_ids"], mask)
    assert len(sources) == (model.config.num_decoder_layers or model.config.num_layers)
    cache = model.initial_cache(3, 0 if first_slot is None else 6)
    for index in range(6):
        found, cache = model.step(
            batch["target_token_ids"][:, index : index + 1],
            np.full((3, 1), index, "int32"),
            cache,
            sources=sources,
            source_padding_mask=mask,
            first_slot=None if first_slot is None else np.int32(index),
        )
        np.testing.assert_allclose(array(found), expected[:, index], atol=2e-5)


@pytest.mark.parametrize("name", SEQ2SEQ_MODELS)
def test_gradients_reach_every_weight(name):
    model, batch = seq2seq(name), batch_of()

    def loss():
        return ops.sum(ops.square(model(batch, training=True)["logits"]))

    for weight, gradient in zip(model.trainable_variables, gradients(model, loss), strict=True):
        assert np.abs(gradient).max() > 1e-4, weight.path


def test_tables_are_shared_or_not():
    def tables(name):
        return sorted(weight.path for weight in seq2seq(name).trainable_variables if weight.path.endswith("/table"))

    assert tables("transformer") == ["token_embedding/table"]
    assert tables("own-source") == ["source_embedding/table", "token_embedding/table"]
    assert tables("t5") == ["decoder_position_bias/table", "encoder_position_bias/table", "token_embedding/table"]


@pytest.mark.parametrize("name", ["own-source", "t5"])
def test_a_saved_model_answers_alike(name, tmp_path):
    model = seq2seq(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, Seq2Seq)
    assert loaded.config == model.config
    np.testing.assert_array_equal(logits_of(loaded, batch_of()), logits_of(model, batch_of()))
