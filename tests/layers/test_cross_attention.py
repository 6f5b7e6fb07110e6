"""Attention to a source, by its states or by the keys and values made of them."""

from __future__ import annotations

import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.attention import dot_product_attention
from kerastx.layers.cross_attention import CrossAttention

MASK = np.array([[1, 1, 0], [1, 1, 1]], bool)[:, None, None, :]


@pytest.fixture
def source() -> np.ndarray:
    return np.random.default_rng(8).normal(size=(2, 3, 8)).astype("float32")


def layer_with(states, source, **options) -> CrossAttention:
    layer = CrossAttention(4, initializer_range=0.5, name="cross_attention", **options)
    layer(states, source)
    return layer


def heads_of(x, projection, size) -> np.ndarray:
    x = x @ array(projection.kernel) + array(projection.bias)
    return x.reshape(*x.shape[:2], -1, size).transpose(0, 2, 1, 3)


@pytest.mark.parametrize("num_kv_heads", [None, 2])
def test_queries_of_the_target_meet_keys_and_values_of_the_source(states, source, num_kv_heads):
    layer = layer_with(states, source, num_kv_heads=num_kv_heads)
    key, value = np.split(heads_of(source, layer.key_value, 2), 2, axis=1)
    context = array(dot_product_attention(heads_of(states, layer.query, 2), key, value, attention_mask=MASK))
    context = context.transpose(0, 2, 1, 3).reshape(2, 5, 8)
    expected = context @ array(layer.output_projection.kernel) + array(layer.output_projection.bias)
    np.testing.assert_allclose(array(layer(states, source, attention_mask=MASK)), expected, atol=1e-5)


def test_keys_and_values_may_be_made_before(states, source):
    layer = layer_with(states, source, use_bias=False, head_dim=6, scale_scores=False)
    made = layer.source_keys_values(source)
    np.testing.assert_array_equal(
        array(layer(states, made, attention_mask=MASK)), array(layer(states, source, attention_mask=MASK))
    )


def test_padding_of_the_source_is_not_seen(states, source):
    layer = layer_with(states, source)
    clean = array(layer(states, source, attention_mask=MASK))
    source[0, 2] = 1e3
    np.testing.assert_array_equal(array(layer(states, source, attention_mask=MASK)), clean)


def test_layer_contract(states, source, tmp_path):
    layer = CrossAttention(4, num_kv_heads=2, dropout_rate=0.1, initializer_range=0.3, name="cross_attention")
    check_layer(layer, (states, source), tmp_path, keyword_inputs={"attention_mask": MASK})


def test_bad_heads(states, source):
    with pytest.raises(ValueError, match="multiple of num_heads, got 8 and num_heads=3"):
        CrossAttention(3)(states, source)
    with pytest.raises(ValueError, match="num_heads must be at least 1"):
        CrossAttention(0)
    with pytest.raises(ValueError, match="num_kv_heads must divide num_heads, got num_kv_heads=3 and num_heads=4"):
        CrossAttention(4, num_kv_heads=3)
