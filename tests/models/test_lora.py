"""LoRA: nothing changes at first, only the small maps learn, and merging loses nothing."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from kerastx.checkpoint.store import Checkpoint, build_model, in_float32, load_checkpoint, save_checkpoint
from kerastx.checkpoint.weights import weight_arrays
from kerastx.layers.projection import Projection
from kerastx.models.classifier import build_classifier
from kerastx.models.config import EncoderConfig
from kerastx.models.lora import add_lora, has_lora
from kerastx.text.tokenizer import Tokenizer
from kerastx.training.losses import cross_entropy

D, F = 32, 64
CONFIG = EncoderConfig(
    vocabulary_size=64,
    hidden_dim=D,
    num_layers=2,
    num_heads=2,
    intermediate_dim=F,
    max_sequence_length=24,
    dropout_rate=0.0,
)


def inputs(seed=0):
    ids = np.random.default_rng(seed).integers(5, 64, (8, 12)).astype("int32")
    mask = np.ones(ids.shape, bool)
    mask[::2, 7:] = False
    return {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": mask}


@pytest.fixture(scope="module")
def trained():
    """A model with LoRA whose maps have moved far from zero; where it began; and how many weights are trained."""
    keras.utils.set_random_seed(1)
    model = build_classifier(CONFIG, num_classes=3)
    count = add_lora(model, rank=4)
    before = {variable.path: convert_to_numpy(variable).copy() for variable in model.weights}
    optimizer = keras.optimizers.Adam(3e-2)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, loss={"logits": cross_entropy()}, jit_compile=False)
    model.fit(inputs(), {"logits": np.arange(8, dtype="int32") % 3}, epochs=3, verbose=0)
    return model, before, count


def test_nothing_changes_before_training():
    model = build_classifier(CONFIG, num_classes=3)
    before = model.predict_on_batch(inputs())["logits"]
    assert not has_lora(model)
    add_lora(model, rank=4)
    assert has_lora(model)
    np.testing.assert_array_equal(model.predict_on_batch(inputs())["logits"], before)


def test_only_the_small_maps_and_the_head_learn(trained):
    model, before, count = trained
    moved = {v.path for v in model.weights if (before[v.path] != convert_to_numpy(v)).any()}
    expected = {v.path for v in model.weights if "lora" in v.path or v.path.startswith(("pooler", "classifier_head"))}
    assert moved == expected
    # Four maps a block: D -> 3D, D -> D, D -> F, F -> D; and pooler and head whole.
    per_block = 4 * ((D + 3 * D) + (D + D) + (D + F) + (F + D))
    assert count == 2 * per_block + (D * D + D) + (3 * D + 3)


@pytest.mark.parametrize("training", [True, False])
def test_merged_equals_unmerged(trained, training):
    model, _, _ = trained
    merged, fresh = (build_classifier(CONFIG, num_classes=3) for _ in range(2))
    arrays = weight_arrays(model)
    assert set(arrays) == {variable.path for variable in merged.weights}
    for variable in merged.weights:
        variable.assign(arrays[variable.path])
    for variable in fresh.weights:  # the kernels without what LoRA learned
        variable.assign(next(v for v in model.weights if v.path == variable.path))
    expected = pooled(model, training)
    np.testing.assert_allclose(pooled(merged, training), expected, atol=1e-5)
    assert np.abs(pooled(fresh, training) - expected).max() > 1e-2


def pooled(model, training):
    """Up to the pooler: behind it the head drops units while training."""
    values = inputs(3)
    until = keras.Model(model.inputs, model.get_layer("pooler").output)
    return convert_to_numpy(until([values[tensor.name] for tensor in model.inputs], training=training))


def test_a_saved_checkpoint_is_plain(tmp_path):
    tokenizer = Tokenizer.train(["abcdefghij klmnop qrst uvw xyz " * 3], vocabulary_size=64)
    config = EncoderConfig.from_dict({**CONFIG.to_dict(), "vocabulary_size": tokenizer.vocabulary_size})
    model = build_model("classification", config, ("a", "b"))
    add_lora(model)
    for variable in model.weights:
        if "lora_b" in variable.path:
            variable.assign(np.random.default_rng(2).normal(0, 0.1, variable.shape))
    checkpoint = Checkpoint(
        model=model, tokenizer=tokenizer, config=config, task="classification", labels=("a", "b"), max_length=24
    )
    loaded = load_checkpoint(save_checkpoint(tmp_path / "lora", checkpoint))
    assert not has_lora(loaded.model)
    ids = {**inputs(), "token_ids": inputs()["token_ids"] % tokenizer.vocabulary_size}
    expected = model.predict_on_batch(ids)["logits"]
    np.testing.assert_allclose(loaded.model.predict_on_batch(ids)["logits"], expected, atol=1e-5)
    np.testing.assert_allclose(in_float32(checkpoint).model.predict_on_batch(ids)["logits"], expected, atol=1e-5)


def test_bad_ranks():
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        add_lora(build_classifier(CONFIG, num_classes=2), rank=0)
    with pytest.raises(ValueError, match="lora_rank must be at least 1"):
        Projection(4, lora_rank=0)
    layer = Projection(4)
    layer.build((None, 3))
    with pytest.raises(ValueError, match="rank must be at least 1"):
        layer.enable_lora(0, 1.0)
    layer.enable_lora(2, 1.0)
    with pytest.raises(ValueError, match="has LoRA of rank 2 already"):
        layer.enable_lora(2, 1.0)
