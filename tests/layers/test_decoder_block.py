"""The decoder block: its equations, its masks, its cache."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.decoder_block import DecoderBlock
from kerastx.layers.kv_cache import causal_mask
from kerastx.layers.rotary import RotaryPositions

CAUSAL = np.tri(5, dtype=bool)[None, None]
SOURCE_MASK = np.array([[1, 1, 0], [1, 1, 1]], bool)[:, None, None, :]
LLAMA = {
    "num_kv_heads": 2,
    "activation": "silu",
    "gated": True,
    "norm": "pre-norm",
    "norm_kind": "rms",
    "use_bias": False,
}


@pytest.fixture
def source() -> np.ndarray:
    return np.random.default_rng(8).normal(size=(2, 3, 8)).astype("float32")


def block(**options) -> DecoderBlock:
    options = {"dropout_rate": 0.0, "epsilon": 1e-6, "initializer_range": 0.4, **options}
    return DecoderBlock(4, 16, name="block", **options)


@pytest.mark.parametrize("norm_kind", ["layer", "rms"])
def test_post_norm_is_the_papers_equation(states, source, norm_kind):
    layer = block(cross_attention=True, norm="post-norm", norm_kind=norm_kind)
    found = array(layer(states, attention_mask=CAUSAL, source=source, source_mask=SOURCE_MASK))
    x = layer.attention_norm(states + layer.attention(states, attention_mask=CAUSAL))
    x = layer.cross_attention_norm(x + layer.cross_attention(x, source, attention_mask=SOURCE_MASK))
    expected = layer.feed_forward_norm(x + layer.feed_forward(x))
    np.testing.assert_allclose(found, array(expected), atol=1e-6)


def test_pre_norm_keeps_the_residual_stream(states, source):
    layer = block(cross_attention=True, norm="pre-norm")
    found = array(layer(states, attention_mask=CAUSAL, source=source, source_mask=SOURCE_MASK))
    x = states + layer.attention(layer.attention_norm(states), attention_mask=CAUSAL)
    x = x + layer.cross_attention(layer.cross_attention_norm(x), source, attention_mask=SOURCE_MASK)
    expected = x + layer.feed_forward(layer.feed_forward_norm(x))
    np.testing.assert_allclose(found, array(expected), atol=1e-6)


@pytest.mark.parametrize("options", [{}, LLAMA], ids=["post-norm", "llama"])
def test_the_future_never_reaches_the_past(states, options):
    layer = block(**options)
    clean = array(layer(states, attention_mask=CAUSAL))
    for length in range(1, 5):
        changed = states.copy()
        changed[:, length:] = 1e3
        found = array(layer(changed, attention_mask=CAUSAL))
        np.testing.assert_allclose(found[:, :length], clean[:, :length], atol=1e-5)
        assert np.abs(found[:, length:] - clean[:, length:]).max() > 1e-2


@pytest.mark.parametrize("first_slot", [0, None], ids=["slots", "concat"])
@pytest.mark.parametrize("options", [{"cross_attention": True}, LLAMA], ids=["cross-attention", "llama"])
def test_token_by_token_is_as_all_at_once(states, source, options, first_slot):
    layer, rotary = block(**options), RotaryPositions(2)
    positions = np.tile(np.arange(5, dtype="int32"), (2, 1))
    extra = {"source": source, "source_mask": SOURCE_MASK} if layer.has_cross_attention else {}
    expected = array(layer(states, attention_mask=CAUSAL, rotation=rotary(positions), **extra))
    if layer.has_cross_attention:
        extra["source"] = layer.source_keys_values(source)
    kv_heads = options.get("num_kv_heads", 4)
    cache = tuple(np.zeros((2, kv_heads, 0 if first_slot is None else 7, 2), "float32") for _ in range(2))
    for begin, end in ((0, 2), (2, 3), (3, 5)):
        slots = positions[:, :end] if first_slot is None else np.where(np.arange(7) < end, np.arange(7), -1)[None]
        found, cache = layer(
            states[:, begin:end],
            attention_mask=causal_mask(positions[:, begin:end], slots),
            rotation=rotary(positions[:, begin:end]),
            cache=cache,
            first_slot=None if first_slot is None else np.int32(begin),
            **extra,
        )
        np.testing.assert_allclose(array(found), expected[:, begin:end], atol=1e-5)
    assert cache[0].shape == (2, kv_heads, 5 if first_slot is None else 7, 2)


@pytest.mark.parametrize(
    ("options", "slots", "first_slot", "expected"),
    [({}, 7, 3, 7), ({}, 7, None, 12), ({}, None, None, None), (LLAMA, 7, 3, 7)],
)
def test_symbolic_caches_have_the_right_shapes(options, slots, first_slot, expected):
    layer = block(**options)
    kv_heads = options.get("num_kv_heads", 4)
    cache = tuple(keras.Input((kv_heads, slots, 2)) for _ in range(2))
    states, cache = layer(keras.Input((5, 8)), cache=cache, first_slot=first_slot)
    assert states.shape == (None, 5, 8)
    assert cache[0].shape == cache[1].shape == (None, kv_heads, expected, 2)


def test_dropout_acts_only_in_training(states, source):
    layer = block(cross_attention=True, dropout_rate=0.3)
    quiet = array(layer(states, source=source))
    np.testing.assert_array_equal(array(layer(states, source=source, training=False)), quiet)
    assert np.abs(array(layer(states, source=source, training=True)) - quiet).max() > 1e-3


@pytest.mark.parametrize(
    "options",
    [{"cross_attention": True}, {"cross_attention": True, "norm": "pre-norm", "activation": "gelu_tanh"}, LLAMA],
    ids=["post-norm", "pre-norm", "llama"],
)
def test_layer_contract(states, source, tmp_path, options):
    layer = block(**{**options, "initializer_range": 0.1})
    keywords = {"attention_mask": np.repeat(CAUSAL, 2, axis=0)}
    if layer.has_cross_attention:
        keywords |= {"source": source, "source_mask": SOURCE_MASK}
    check_layer(layer, (states,), tmp_path, keyword_inputs=keywords)
