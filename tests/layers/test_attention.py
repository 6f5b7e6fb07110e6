"""Attention against the formula of the paper, in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.attention import SelfAttention, dot_product_attention


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def textbook_attention(query, key, value, mask=None):
    """softmax(QKᵀ/√d)V in float64, with forbidden scores at minus infinity."""
    scores = np.einsum("bnth,bnsh->bnts", query.astype("float64"), key) / np.sqrt(query.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    return np.einsum("bnts,bnsh->bnth", softmax(scores), value)


@pytest.fixture
def heads():
    rng = np.random.default_rng(1)
    return [rng.normal(size=(2, 3, length, 4)).astype("float32") for length in (5, 6, 6)]


def test_equals_the_textbook_formula(heads):
    np.testing.assert_allclose(array(dot_product_attention(*heads)), textbook_attention(*heads), atol=1e-5)


def test_equals_the_textbook_formula_with_a_mask(heads):
    mask = np.random.default_rng(2).random((2, 1, 5, 6)) < 0.6
    mask[..., 0] = True
    result = array(dot_product_attention(*heads, attention_mask=mask))
    np.testing.assert_allclose(result, textbook_attention(*heads, mask), atol=1e-5)


def test_a_masked_weight_is_exactly_zero(heads):
    query, key, value = heads
    mask = np.array([True, True, True, True, False, False])
    clean = array(dot_product_attention(query, key, value, attention_mask=mask))
    key[:, :, 4:] = 50.0
    value[:, :, 4:] = 1e30
    np.testing.assert_array_equal(array(dot_product_attention(query, key, value, attention_mask=mask)), clean)


def test_queries_of_a_group_share_a_key_and_a_value(heads):
    query = np.random.default_rng(4).normal(size=(2, 6, 5, 4)).astype("float32")
    _, key, value = heads
    mask = np.tri(5, 6, 1, dtype=bool)
    bias = np.random.default_rng(5).normal(size=(1, 6, 5, 6)).astype("float32")
    found = dot_product_attention(query, key, value, attention_mask=mask, position_bias=bias)
    shared = [np.repeat(x, 2, axis=1) for x in (key, value)]
    np.testing.assert_allclose(
        array(found), array(dot_product_attention(query, *shared, attention_mask=mask, position_bias=bias)), atol=1e-6
    )
    np.testing.assert_allclose(
        array(dot_product_attention(query, key, value)), textbook_attention(query, *shared), atol=1e-5
    )


def test_a_position_bias_is_added_to_the_scores(heads):
    query, key, value = heads
    bias = np.random.default_rng(5).normal(size=(1, 3, 5, 6)).astype("float32")
    weights = softmax(query @ key.swapaxes(-1, -2) + bias)
    found = dot_product_attention(query, key, value, scale=1.0, position_bias=bias)
    np.testing.assert_allclose(array(found), weights @ value, atol=1e-5)


def test_a_single_key_has_all_the_weight(heads):
    query, key, value = (x[:, :, :1] for x in heads)
    np.testing.assert_array_equal(array(dot_product_attention(query, key, value)), value)


@pytest.mark.parametrize("training", [False, True])
def test_grouped_heads_of_their_own_size_without_scale_and_biases(states, training):
    layer = SelfAttention(4, num_kv_heads=2, head_dim=6, use_bias=False, qkv_bias=True, scale_scores=False)
    layer.build(states.shape)
    layer.qkv.kernel.assign(np.random.default_rng(6).normal(size=(8, 48)))
    layer.qkv.bias.assign(np.linspace(-1, 1, 48))
    fused = (states @ array(layer.qkv.kernel) + array(layer.qkv.bias)).reshape(2, 5, 8, 6).transpose(0, 2, 1, 3)
    query, key, value = fused[:, :4], np.repeat(fused[:, 4:6], 2, axis=1), np.repeat(fused[:, 6:], 2, axis=1)
    context = textbook_attention(query * np.sqrt(6), key, value).transpose(0, 2, 1, 3).reshape(2, 5, 24)
    expected = context @ array(layer.output_projection.kernel)
    np.testing.assert_allclose(array(layer(states, training=training)), expected, atol=1e-5)
    assert [weight.name for weight in layer.trainable_variables] == ["kernel", "bias", "kernel"]


def test_self_attention_is_multi_head_attention_of_one_projection(states):
    layer = SelfAttention(2, name="attention")
    result = array(layer(states))
    kernel, bias = (array(v) for v in (layer.qkv.kernel, layer.qkv.bias))
    query, key, value = (
        part.reshape(2, 5, 2, 4).transpose(0, 2, 1, 3) for part in np.split(states @ kernel + bias, 3, axis=-1)
    )
    context = textbook_attention(query, key, value).transpose(0, 2, 1, 3).reshape(2, 5, 8)
    expected = context @ array(layer.output_projection.kernel) + array(layer.output_projection.bias)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_padding_never_reaches_real_tokens(states):
    layer = SelfAttention(2, name="attention")
    mask = np.array([[True, True, True, False, False]] * 2)[:, None, None, :]
    clean = array(layer(states, attention_mask=mask))
    states[:, 3:] = 1e3
    np.testing.assert_allclose(array(layer(states, attention_mask=mask))[:, :3], clean[:, :3], atol=1e-6)


def test_dropout_acts_only_in_training(states):
    layer = SelfAttention(2, dropout_rate=0.5, name="attention")
    quiet = array(layer(states))
    np.testing.assert_array_equal(array(layer(states)), quiet)
    assert np.abs(array(layer(states, training=True)) - quiet).max() > 1e-4


def test_layer_contract(states, tmp_path):
    check_layer(SelfAttention(4, dropout_rate=0.1, name="attention"), (states,), tmp_path)


def test_contract_of_grouped_heads(states, tmp_path):
    layer = SelfAttention(4, num_kv_heads=1, head_dim=3, use_bias=False, initializer_range=0.3, name="attention")
    check_layer(layer, (states,), tmp_path)


def test_heads_must_divide_the_hidden_size(states):
    with pytest.raises(ValueError, match="multiple of num_heads, got 8 and num_heads=3"):
        SelfAttention(3)(states)
    with pytest.raises(ValueError, match="num_heads must be at least 1"):
        SelfAttention(0)
    with pytest.raises(ValueError, match="num_kv_heads must divide num_heads, got num_kv_heads=3 and num_heads=4"):
        SelfAttention(4, num_kv_heads=3)
