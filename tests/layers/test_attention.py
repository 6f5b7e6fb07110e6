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


def test_heads_must_divide_the_hidden_size(states):
    with pytest.raises(ValueError, match="multiple of num_heads, got 8 and num_heads=3"):
        SelfAttention(3)(states)
    with pytest.raises(ValueError, match="num_heads must be at least 1"):
        SelfAttention(0)
