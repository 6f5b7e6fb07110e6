"""Lower layers take smaller steps, decay of weights included."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy

from kerastx.models.classifier import build_classifier
from kerastx.models.config import EncoderConfig
from kerastx.training.finetune import finetune
from kerastx.training.layer_decay import ScaledAdamW, layer_scales
from kerastx.training.optimizers import adamw

CONFIG = EncoderConfig.preset("tiny", vocabulary_size=50, dropout_rate=0.0)


def test_scales_fall_from_the_head_to_the_embeddings():
    scales = layer_scales(build_classifier(CONFIG, num_classes=2), 0.5)
    assert scales["encoder_block_1"] == 0.5
    assert scales["encoder_block_0"] == 0.25
    assert scales["token_embedding"] == scales["input_embeddings"] == 0.125
    assert "classifier_head" not in scales


@pytest.mark.parametrize("decay", [0, -1, 1.5])
def test_a_decay_outside_of_0_to_1(decay):
    with pytest.raises(ValueError, match=r"the layer decay must be in \(0, 1\]"):
        layer_scales(build_classifier(CONFIG, num_classes=2), decay)


def test_a_step_is_the_rate_times_the_scale():
    """Adam's first step is the rate itself, whatever the gradient's size."""
    low, high = (keras.layers.Dense(1, use_bias=False, name=name) for name in ("low", "high"))
    for layer in (low, high):
        layer.build((None, 3))
    before = [convert_to_numpy(layer.kernel).copy() for layer in (low, high)]
    optimizer = ScaledAdamW(0.01, weight_decay=0.0, epsilon=1e-12, scales={"low": 0.25})
    gradients = [np.full((3, 1), value, "float32") for value in (5.0, 0.1)]
    optimizer.apply(gradients, [low.kernel, high.kernel])
    moved = [convert_to_numpy(layer.kernel) - old for layer, old in zip((low, high), before, strict=True)]
    np.testing.assert_allclose(moved[0], -0.0025, rtol=1e-3)
    np.testing.assert_allclose(moved[1], -0.01, rtol=1e-3)


def test_the_decay_of_weights_is_scaled_too():
    layer = keras.layers.Dense(1, use_bias=False, name="low")
    layer.build((None, 3))
    before = convert_to_numpy(layer.kernel).copy()
    optimizer = ScaledAdamW(0.01, weight_decay=0.5, scales={"low": 0.25})
    optimizer.apply([np.zeros((3, 1), "float32")], [layer.kernel])
    np.testing.assert_allclose(convert_to_numpy(layer.kernel), before * (1 - 0.5 * 0.01 * 0.25), rtol=1e-6)


def test_without_scales_it_is_adamw():
    """The same steps as Keras' own, decay of weights included."""
    found = []
    for make in (keras.optimizers.AdamW, ScaledAdamW):
        keras.utils.set_random_seed(3)
        layer = keras.layers.Dense(2, name="layer")
        layer.build((None, 3))
        optimizer = make(0.01, weight_decay=0.1)
        for step in range(3):
            gradients = [np.full(v.shape, step + 1.0, "float32") for v in layer.trainable_variables]
            optimizer.apply(gradients, layer.trainable_variables)
        found.append(convert_to_numpy(layer.kernel))
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_fit_with_accumulation_takes_the_scaled_step():
    """Two batches make the first update, in which Adam moves every weight by its rate (and its small decay)."""
    config = EncoderConfig(
        vocabulary_size=50,
        hidden_dim=16,
        num_layers=2,
        num_heads=2,
        intermediate_dim=32,
        max_sequence_length=16,
        dropout_rate=0.0,
    )
    keras.utils.set_random_seed(3)
    model = build_classifier(config, num_classes=2)
    ids = np.random.default_rng(3).integers(5, 50, (8, 8)).astype("int32")
    inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": np.ones(ids.shape, bool)}
    targets = {"logits": np.arange(8, dtype="int32") % 2}
    batches = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(4)
    kernels = {v.path: v for v in model.trainable_weights if v.path.endswith("kernel")}
    for kernel in kernels.values():  # fresh ones pass gradients down that are as small as Adam's epsilon
        kernel.assign(kernel * 10)
    before = {name: convert_to_numpy(kernel).copy() for name, kernel in kernels.items()}
    finetune(model, batches, task="classification", epochs=1, learning_rate=0.1, accumulate=2, layer_decay=0.5)
    moved = {name: np.abs(convert_to_numpy(kernel) - before[name]).max() for name, kernel in kernels.items()}
    blocks = [max(by for name, by in moved.items() if name.startswith(f"encoder_block_{number}/")) for number in (0, 1)]
    head = moved["classifier_head/kernel"]
    assert head > 0.01
    np.testing.assert_allclose(blocks, [0.25 * head, 0.5 * head], rtol=0.02)


def test_it_can_be_written_and_read():
    optimizer = adamw(1e-3, 100, scales={"encoder_block_0": 0.5})
    again = ScaledAdamW.from_config(optimizer.get_config())
    assert again.scales == {"encoder_block_0": 0.5}
    assert type(adamw(1e-3, 100)) is keras.optimizers.AdamW
