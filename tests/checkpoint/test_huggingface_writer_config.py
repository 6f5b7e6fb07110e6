from __future__ import annotations

import json

import numpy as np
import pytest

from kerastx.checkpoint.huggingface_writer_config import writer_config, writer_of, writing_ids
from kerastx.errors import CheckpointError
from kerastx.text.huggingface_files import WritingIds

GPT2 = {"model_type": "gpt2", "vocab_size": 10, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16}
LLAMA = {
    "model_type": "llama",
    "vocab_size": 10,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
}
T5 = {"model_type": "t5", "vocab_size": 10, "d_model": 8, "num_layers": 1, "num_heads": 2, "d_kv": 4, "d_ff": 12}
BART = {
    "model_type": "bart",
    "vocab_size": 10,
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 12,
    "max_position_embeddings": 16,
}
MARIAN = {**BART, "model_type": "marian"}


def config_of(values, arrays=()):
    return writer_config(values, writer_of(values), dict(arrays))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (GPT2, {"tied_embeddings": True, "intermediate_dim": 32, "activation": "gelu_tanh", "positions": "learned"}),
        (GPT2 | {"n_inner": 12, "tie_word_embeddings": False}, {"tied_embeddings": False, "intermediate_dim": 12}),
        (LLAMA, {"tied_embeddings": False, "use_bias": False, "qkv_bias": False, "rotary_theta": 10000.0}),
        (LLAMA | {"rope_theta": 5e5, "rope_scaling": None}, {"rotary_theta": 5e5}),
        (LLAMA | {"rope_parameters": {"rope_type": "default", "rope_theta": 7.0}}, {"rotary_theta": 7.0}),
        (LLAMA | {"attention_bias": True}, {"use_bias": True, "qkv_bias": True}),
        (
            LLAMA | {"mlp_bias": True, "num_key_value_heads": 1},
            {"use_bias": True, "qkv_bias": False, "num_kv_heads": 1},
        ),
        (LLAMA | {"model_type": "qwen2", "sliding_window": 4}, {"use_bias": False, "qkv_bias": True}),
        (T5, {"gated": False, "activation": "relu", "scale_outputs": True, "max_sequence_length": 512}),
        (T5 | {"feed_forward_proj": "gated-gelu"}, {"gated": True, "activation": "gelu_tanh"}),
        (T5 | {"feed_forward_proj": "gated-silu"}, {"gated": True, "activation": "silu"}),
        (T5 | {"tie_word_embeddings": False}, {"scale_outputs": False}),
        (T5 | {"tie_word_embeddings": True, "scale_decoder_outputs": False}, {"scale_outputs": False}),
        (BART, {"embedding_norm": True, "norm": "post-norm", "num_decoder_layers": 2, "output_bias": False}),
        (MARIAN, {"embedding_norm": False, "positions": "sinusoidal", "source_vocabulary_size": None}),
        (
            MARIAN | {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 7},
            {"vocabulary_size": 7, "source_vocabulary_size": 10},
        ),
    ],
)
def test_choices_of_the_families(values, expected):
    config = config_of(values).to_dict()
    assert {name: config[name] for name in expected} == expected


def test_arrays_tell_of_a_table_and_a_bias_of_the_logits():
    table = np.ones((10, 8), "float32")
    assert config_of(T5, {"shared.weight": table, "lm_head.weight": table}).tied_embeddings
    assert not config_of(T5, {"shared.weight": table, "lm_head.weight": table + 1}).tied_embeddings
    assert config_of(BART, {"final_logits_bias": np.zeros((1, 10), "float32")}).output_bias


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (GPT2 | {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx True, expected False"),
        (GPT2 | {"add_cross_attention": True}, "add_cross_attention True, expected False"),
        (GPT2 | {"activation_function": "mish"}, "the activation 'mish' is none of gelu"),
        (GPT2 | {"activation_function": ["gelu"]}, r"the activation \['gelu'\] is none of gelu"),
        (LLAMA | {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling of the kind 'llama3'"),
        (LLAMA | {"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling of the kind 'linear'"),
        (LLAMA | {"rope_parameters": {"rope_type": "yarn"}}, "rope_scaling of the kind 'yarn', expected none"),
        (LLAMA | {"rope_scaling": "linear"}, "expected an object as rope_scaling, got 'linear'"),
        (LLAMA | {"model_type": "qwen2", "use_sliding_window": True}, "use_sliding_window True, expected False"),
        (BART | {"decoder_ffn_dim": 13}, "decoder_ffn_dim 13, expected 12"),
        (BART | {"normalize_before": True}, "normalize_before True, expected False"),
        (MARIAN | {"static_position_embeddings": False}, "static_position_embeddings False, expected True"),
        ({**T5, "architectures": ["T5ForTokenClassification"]}, "no task for the head of T5ForTokenClassification"),
        ({**T5, "architectures": "T5Model"}, "expected a list of class names as architectures, got 'T5Model'"),
        ({name: value for name, value in T5.items() if name != "d_kv"}, "config.json lacks d_kv"),
    ],
)
def test_forms_that_we_do_not_have(values, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        config_of(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (GPT2 | {"n_embd": None}, "hidden_dim must be a positive integer, got None"),
        (GPT2 | {"layer_norm_epsilon": None}, "epsilon must be a number from 1e-30 to 1, got None"),
        (GPT2 | {"resid_pdrop": [0.1]}, r"dropout_rate must be in \[0, 1\), got \[0.1\]"),
        (
            LLAMA | {"rope_parameters": {"rope_theta": 10**400}},
            r"rotary_theta must be a number from 1 to 1e\+12, got 1",
        ),
        (LLAMA | {"rope_theta": 1e-320}, r"rotary_theta must be a number from 1 to 1e\+12, got 1e-320"),
        (LLAMA | {"initializer_range": float("inf")}, "initializer_range must be a number from 1e-30 to 1000, got inf"),
        (T5 | {"n_positions": 10**9}, "max_sequence_length must be at most 1,048,576, got 1000000000"),
        (T5 | {"relative_attention_num_buckets": 10**6}, "num_buckets must be at most 512, got 1000000"),
    ],
)
def test_values_that_no_model_can_have(values, message):
    with pytest.raises(ValueError, match=message) as caught:
        config_of(values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("values", "generation", "expected"),
    [
        (GPT2 | {"bos_token_id": 9, "eos_token_id": 9}, {}, WritingIds((9,), (9,), None)),
        (LLAMA | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": -1}, {}, WritingIds((1,), (2,), None)),
        (LLAMA | {"bos_token_id": 1, "eos_token_id": 2}, {"eos_token_id": [2, 5]}, WritingIds((1,), (2, 5), None)),
        (LLAMA | {"eos_token_id": 2}, {"eos_token_id": None}, WritingIds((), (2,), None)),
        (T5 | {"pad_token_id": 0, "eos_token_id": 1}, {}, WritingIds((0,), (1,), 0)),
        (
            BART | {"eos_token_id": 2, "pad_token_id": 1, "decoder_start_token_id": 2, "forced_bos_token_id": 0},
            {},
            WritingIds((2, 0), (2,), 1),
        ),
        (BART | {"eos_token_id": 2, "pad_token_id": 1}, {"forced_bos_token_id": 0}, WritingIds((2, 0), (2,), 1)),
        (
            MARIAN | {"eos_token_id": 0, "pad_token_id": 9, "decoder_start_token_id": 9},
            json.loads('{"bad_words_ids": [[9]], "num_beams": 6}'),
            WritingIds((9,), (0,), 9),
        ),
    ],
)
def test_the_tokens_that_texts_are_written_with(values, generation, expected):
    assert writing_ids(values, generation) == expected


@pytest.mark.parametrize("value", ["</s>", 1.5, True, [1, None]])
def test_tokens_that_are_no_ids(value):
    with pytest.raises(CheckpointError, match="expected a token id as eos_token_id, got"):
        writing_ids(GPT2 | {"eos_token_id": value}, {})
