"""The language model: what it may see, its cache, its files, its learning."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from generating_models import LANGUAGE_MODELS, language_model, prompts
from keras import ops
from layer_contract import array, gradients

from kerastx.layers.kv_cache import token_positions
from kerastx.models.decoder_config import LanguageModelConfig
from kerastx.models.language_model import LanguageModel
from kerastx.training.losses import generation_losses
from kerastx.training.metrics import generation_metrics
from kerastx.training.next_tokens import next_tokens


def logits_of(model, token_ids, mask) -> np.ndarray:
    return array(model({"token_ids": token_ids, "padding_mask": mask})["logits"])


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_no_token_sees_what_comes_behind_it(name):
    model = language_model(name)
    token_ids, mask = prompts()
    clean = logits_of(model, token_ids, mask)
    changed = token_ids.copy()
    changed[:, 4:] = 29
    found = logits_of(model, changed, mask)
    np.testing.assert_allclose(found[:, :4], clean[:, :4], atol=1e-5)
    assert np.abs(found[0, 4:] - clean[0, 4:]).max() > 0.1


@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_a_row_answers_alike_alone_and_padded_on_either_side(name, left):
    model = language_model(name)
    token_ids, mask = prompts(left=left)
    together = logits_of(model, token_ids, mask)
    for row in range(3):
        alone = token_ids[row : row + 1, mask[row]]
        found = logits_of(model, alone, np.ones_like(alone, dtype=bool))
        np.testing.assert_allclose(found[0], together[row][mask[row]], atol=2e-5)


@pytest.mark.parametrize("first_slot", [0, None], ids=["slots", "concat"])
@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_prompts_at_once_and_then_one_token_at_a_time(name, left, first_slot):
    """Rows of different length in one batch, padded between prompt and answer or before it."""
    model = language_model(name)
    token_ids, mask = prompts(left=left)
    answers = np.random.default_rng(3).integers(1, 25, (3, 4)).astype("int32")
    lengths = mask.sum(1)
    expected = []
    for row in range(3):
        whole = np.concatenate([token_ids[row, mask[row]], answers[row]])[None]
        expected.append(logits_of(model, whole, np.ones_like(whole, dtype=bool))[0, lengths[row] - 1 :])
    cache = model.initial_cache(3, 0 if first_slot is None else 13)
    found, cache = model.step(token_ids, token_positions(mask), cache, first_slot=first_slot)
    np.testing.assert_allclose(array(found), [row[0] for row in expected], atol=2e-5)
    for index in range(4):
        slot = None if first_slot is None else np.int32(7 + index)
        positions = (lengths + index)[:, None].astype("int32")
        found, cache = model.step(answers[:, index : index + 1], positions, cache, first_slot=slot)
        np.testing.assert_allclose(array(found), [row[index + 1] for row in expected], atol=2e-5)
    assert cache.positions.shape == (3, 11 if first_slot is None else 13)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_sequences_of_a_packed_row_are_as_alone(name):
    model = language_model(name)
    packed = LanguageModel(model.config, packed=True)
    packed.set_weights(model.get_weights())
    token_ids, _ = prompts()
    row = token_ids[:1]
    sequence_ids = np.array([[1, 1, 1, 2, 2, 0, 0]], "int32")
    inputs = {
        "token_ids": row,
        "padding_mask": sequence_ids > 0,
        "positions": np.array([[0, 1, 2, 0, 1, 0, 0]], "int32"),
        "sequence_ids": sequence_ids,
    }
    found = array(packed(inputs)["logits"])[0]
    for begin, end in ((0, 3), (3, 5)):
        alone = logits_of(model, row[:, begin:end], np.ones((1, end - begin), bool))
        np.testing.assert_allclose(found[begin:end], alone[0], atol=2e-5)
    assert LanguageModel.from_config(packed.get_config()).packed


def test_a_prompt_may_come_in_parts():
    model = language_model("llama")
    token_ids, mask = prompts(left=True)
    expected, _ = model.step(token_ids, token_positions(mask), model.initial_cache(3, 9), first_slot=0)
    positions, cache = array(token_positions(mask)), model.initial_cache(3, 9)
    for begin, end in ((0, 2), (2, 6), (6, 7)):
        found, cache = model.step(token_ids[:, begin:end], positions[:, begin:end], cache, first_slot=np.int32(begin))
    np.testing.assert_allclose(array(found), array(expected), atol=2e-5)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_gradients_reach_every_weight(name):
    model = language_model(name)
    token_ids, mask = prompts()

    def loss():
        return ops.sum(ops.square(model({"token_ids": token_ids, "padding_mask": mask}, training=True)["logits"]))

    for weight, gradient in zip(model.trainable_variables, gradients(model, loss), strict=True):
        # Of a softmax the same bias of all keys is no change.
        assert np.abs(gradient).max() > 1e-4, weight.path


def test_names_of_weights_are_those_that_checkpoints_are_keyed_by():
    paths = {weight.path for weight in language_model("llama").trainable_variables}
    block = "decoder_block_1/"
    assert paths >= {
        "token_embedding/table",
        block + "attention/qkv/kernel",
        block + "attention/output_projection/kernel",
        block + "attention_norm/gamma",
        block + "feed_forward/expansion/kernel",
        block + "feed_forward_norm/gamma",
        "decoder_norm/gamma",
    }
    assert not any("bias" in path or "vocabulary_logits" in path for path in paths)
    untied = {weight.path for weight in language_model("qwen").trainable_variables}
    assert "vocabulary_logits/output_embedding/table" in untied


@pytest.mark.parametrize("name", ["gpt2", "qwen"])
def test_a_saved_model_answers_alike(name, tmp_path):
    model = language_model(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, LanguageModel)
    assert loaded.config == model.config
    np.testing.assert_array_equal(logits_of(loaded, *prompts()), logits_of(model, *prompts()))
    found, _ = loaded.step(prompts()[0], token_positions(prompts()[1]), loaded.initial_cache(3))
    expected, _ = model.step(prompts()[0], token_positions(prompts()[1]), model.initial_cache(3))
    np.testing.assert_array_equal(array(found), array(expected))


def test_the_cache_has_the_numbers_the_model_computes_with():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = language_model("llama")
    finally:
        keras.config.set_dtype_policy(before)
    token_ids, mask = prompts()
    found, cache = model.step(token_ids, token_positions(mask), model.initial_cache(3, 8), first_slot=0)
    assert {keras.backend.standardize_dtype(keys.dtype) for keys in cache.keys} == {"bfloat16"}
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    whole = logits_of(model, token_ids, mask)[np.arange(3), mask.sum(1) - 1]
    # Eight bits of mantissa, through two blocks.
    np.testing.assert_allclose(array(found), whole, atol=0.1)


@pytest.mark.parametrize("preset", [pytest.param("gpt2-tiny", marks=pytest.mark.slow), "llama-tiny"])
def test_it_learns_a_sentence_by_heart_and_says_it(preset):
    sentence = np.frombuffer(b"to be or not to be, that is the question", dtype="uint8").astype("int32") - 31
    sizes = {"num_layers": 2, "hidden_dim": 32, "num_heads": 2, "num_kv_heads": 1, "intermediate_dim": 64}
    config = LanguageModelConfig.preset(preset, vocabulary_size=96, **sizes, dropout_rate=0.0)
    model = LanguageModel(config)
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(0.0, 180, warmup_target=5e-3, warmup_steps=20)
        ),
        loss=generation_losses(),
        weighted_metrics=generation_metrics(),
    )
    rows = np.repeat(np.pad(sentence, (0, 3))[None], 4, axis=0)
    token_ids, mask, labels, weights = (array(x) for x in next_tokens(rows, rows > 0))
    example = ({"token_ids": token_ids, "padding_mask": mask}, {"logits": labels}, {"logits": weights})
    data = tf.data.Dataset.from_tensors(example).repeat(200)
    history = model.fit(data, epochs=1, shuffle=False, verbose=0).history
    assert history["accuracy"][0] > 0.5

    said, cache = [int(sentence[0])], model.initial_cache(1, len(sentence))
    for slot in range(len(sentence) - 1):
        place = np.array([[slot]], "int32")
        logits, cache = model.step(np.array([said[-1:]], "int32"), place, cache, first_slot=np.int32(slot))
        said.append(int(np.argmax(array(logits)[0])))
    assert bytes(np.array(said, "uint8") + 31) == b"to be or not to be, that is the question"
