"""The encoder block: its two forms, its mask, its dropout."""

from __future__ import annotations

import numpy as np
import pytest
from layer_contract import array, check_layer

from kerastx.layers.encoder_block import EncoderBlock


def block(norm="post-norm", **kwargs):
    return EncoderBlock(2, 16, norm=norm, dropout_rate=0.0, epsilon=1e-6, name="block", **kwargs)


def test_post_norm_is_the_papers_equation(states):
    layer = block()
    result = array(layer(states))
    x = layer.attention_norm(states + array(layer.attention(states)))
    expected = layer.feed_forward_norm(x + layer.feed_forward(x))
    np.testing.assert_allclose(result, array(expected), atol=1e-6)
    np.testing.assert_allclose(result.mean(-1), 0, atol=1e-5)


def test_pre_norm_keeps_the_residual_stream(states):
    layer = block("pre-norm")
    result = array(layer(states))
    x = states + array(layer.attention(layer.attention_norm(states)))
    expected = x + array(layer.feed_forward(layer.feed_forward_norm(x)))
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("norm", ["post-norm", "pre-norm"])
def test_padding_never_reaches_real_tokens(states, norm):
    layer = block(norm)
    mask = np.array([[True, True, True, False, False]] * 2)[:, None, None, :]
    clean = array(layer(states, attention_mask=mask))
    poisoned = states.copy()
    poisoned[:, 3:] = 1e3
    np.testing.assert_allclose(array(layer(poisoned, attention_mask=mask))[:, :3], clean[:, :3], atol=1e-5)


def test_dropout_acts_only_in_training(states):
    layer = EncoderBlock(2, 16, dropout_rate=0.3, name="block")
    quiet = array(layer(states))
    np.testing.assert_array_equal(array(layer(states, training=False)), quiet)
    assert np.abs(array(layer(states, training=True)) - quiet).max() > 1e-3


@pytest.mark.parametrize("norm", ["post-norm", "pre-norm"])
def test_layer_contract(states, tmp_path, norm):
    layer = EncoderBlock(2, 16, norm=norm, activation="gelu_tanh", dropout_rate=0.1, epsilon=1e-6, name="block")
    mask = np.array([[True, True, True, False, False], [True] * 5])[:, None, None, :]
    check_layer(layer, (states,), tmp_path, keyword_inputs={"attention_mask": mask})


def test_unknown_norm():
    with pytest.raises(ValueError, match=r"norm must be one of .* got 'mid-norm'"):
        EncoderBlock(2, 16, norm="mid-norm")


@pytest.mark.parametrize("norm", ["post-norm", "pre-norm"])
@pytest.mark.parametrize("queries", [1, 5])
def test_the_first_token_alone_is_as_among_all(states, norm, queries):
    whole, first = block(norm), block(norm, first_token_only=True)
    mask = np.array([[True, True, True, False, False], [True] * 5])[:, None, None, :]
    mask = np.repeat(mask, queries, axis=2)
    expected = array(whole(states, attention_mask=mask))
    first(states, attention_mask=mask)
    first.set_weights(whole.get_weights())
    found = array(first(states, attention_mask=mask))
    assert found.shape == (2, 1, 8)
    np.testing.assert_allclose(found, expected[:, :1], atol=1e-6)
    np.testing.assert_allclose(array(first(states)), array(whole(states))[:, :1], atol=1e-6)


def test_layer_contract_of_the_first_token_alone(states, tmp_path):
    layer = EncoderBlock(2, 16, dropout_rate=0.1, epsilon=1e-6, first_token_only=True, name="block")
    mask = np.array([[True, True, True, False, False], [True] * 5])[:, None, None, :]
    check_layer(layer, (states,), tmp_path, keyword_inputs={"attention_mask": mask})
    assert layer.compute_output_shape((None, None, 8)) == (None, 1, 8)


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("norm", ["post-norm", "pre-norm"])
def test_chosen_positions_answer_as_in_the_whole_block(states, norm, rows):
    """`rows` of a mask: one for all queries, or one for each."""
    layer = block(norm)
    layer.build(states.shape)
    layer.attention.qkv.bias.assign(np.linspace(-1, 1, 3 * states.shape[-1]))
    mask = np.random.default_rng(4).random((2, 1, rows, 5)) < 0.6
    mask[..., 0] = True
    whole = array(layer(states, attention_mask=mask))
    positions = np.array([[0, 3, 3], [4, 1, 0]], "int32")
    chosen = array(layer(states, attention_mask=mask, query_positions=positions))
    np.testing.assert_allclose(chosen, np.take_along_axis(whole, positions[..., None], axis=1), atol=1e-5)
    unmasked = array(layer(states, query_positions=positions))
    np.testing.assert_allclose(unmasked, np.take_along_axis(array(layer(states)), positions[..., None], 1), atol=1e-5)
