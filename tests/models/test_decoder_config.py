"""The configs of models that generate: presets, checks, exact JSON round trips."""

from __future__ import annotations

import json

import pytest

from kerastx.models.decoder_config import LanguageModelConfig, Seq2SeqConfig


def test_presets_take_their_sizes_from_the_encoder_family():
    gpt2 = LanguageModelConfig.preset("gpt2-base", vocabulary_size=50257)
    assert (gpt2.num_layers, gpt2.hidden_dim, gpt2.num_heads, gpt2.intermediate_dim) == (12, 768, 12, 3072)
    assert (gpt2.positions, gpt2.activation, gpt2.norm, gpt2.epsilon) == ("learned", "gelu_tanh", "pre-norm", 1e-5)
    llama = LanguageModelConfig.preset("llama-mini", vocabulary_size=99, num_kv_heads=1)
    assert (llama.positions, llama.gated, llama.norm_kind, llama.use_bias) == ("rotary", True, "rms", False)
    assert (llama.kv_heads, llama.head_size, llama.intermediate_dim) == (1, 64, 704)
    t5 = Seq2SeqConfig.preset("t5-small", vocabulary_size=99)
    assert (t5.positions, t5.scale_scores, t5.scale_outputs, t5.num_layers) == ("relative", True, False, 4)
    transformer = Seq2SeqConfig.preset("transformer-tiny", vocabulary_size=99)
    assert (transformer.norm, transformer.positions, transformer.scale_embeddings) == ("post-norm", "sinusoidal", True)


@pytest.mark.parametrize(
    "config",
    [
        LanguageModelConfig.preset("llama-tiny", vocabulary_size=99, head_dim=32, qkv_bias=True),
        Seq2SeqConfig.preset("t5-tiny", vocabulary_size=99, num_decoder_layers=1, source_vocabulary_size=7),
    ],
)
def test_round_trip_through_json(config):
    assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_dim": 10, "num_heads": 3}, "multiple of num_heads where head_dim is not given, got hidden_dim=10"),
        ({"num_layers": 0}, "num_layers must be a positive integer, got 0"),
        ({"head_dim": True}, "head_dim must be a positive integer, got True"),
        ({"num_kv_heads": 5}, "num_kv_heads must divide num_heads, got num_kv_heads=5, num_heads=12"),
        ({"positions": "alibi"}, r"positions must be one of .* got 'alibi'"),
        ({"activation": "tanh"}, r"activation must be one of .* got 'tanh'"),
        ({"norm": "none"}, r"norm must be one of .* got 'none'"),
        ({"norm_kind": "batch"}, r"norm_kind must be one of .* got 'batch'"),
        ({"positions": "rotary", "head_dim": 5}, "rotary positions need an even size of heads, got 5"),
        ({"scale_outputs": True}, "scale_outputs is for pre-norm of the kind rms, got norm='pre-norm', norm_kind='la"),
        ({"dropout_rate": 1.0}, r"dropout_rate must be in \[0, 1\), got 1.0"),
        ({"use_bias": None}, "use_bias must be true or false, got None"),
        ({"qkv_bias": 1}, "qkv_bias must be true or false, got 1"),
        ({"rotary_theta": 0}, r"rotary_theta must be a number from 1 to 1e\+12, got 0"),
        ({"rotary_theta": 10**400}, r"rotary_theta must be a number from 1 to 1e\+12, got 1000.*\.\.\..*000\."),
        ({"rotary_theta": 1e-320}, r"rotary_theta must be a number from 1 to 1e\+12, got 1e-320"),
        ({"rotary_theta": True}, r"rotary_theta must be a number from 1 to 1e\+12, got True"),
        ({"rotary_theta": "1e4"}, r"rotary_theta must be a number from 1 to 1e\+12, got '1e4'"),
        ({"initializer_range": float("inf")}, "initializer_range must be a number from 1e-30 to 1000, got inf"),
        ({"epsilon": None}, "epsilon must be a number from 1e-30 to 1, got None"),
        ({"dropout_rate": "0.1"}, r"dropout_rate must be in \[0, 1\), got '0.1'"),
        ({"max_sequence_length": 2**20 + 1}, "max_sequence_length must be at most 1,048,576, got 1048577"),
        ({"num_buckets": 514}, "num_buckets must be at most 512, got 514"),
        ({"max_distance": 100_001}, "max_distance must be at most 100,000, got 100001"),
    ],
)
def test_bad_values(change, message):
    with pytest.raises(ValueError, match=message):
        LanguageModelConfig(vocabulary_size=10, **change)


def test_bad_values_of_seq2seq():
    with pytest.raises(ValueError, match="must be learned, sinusoidal or relative, got 'rotary'"):
        Seq2SeqConfig(vocabulary_size=10, positions="rotary")
    with pytest.raises(ValueError, match="num_decoder_layers must be a positive integer, got 0"):
        Seq2SeqConfig(vocabulary_size=10, num_decoder_layers=0)


def test_unknown_presets_and_keys():
    with pytest.raises(ValueError, match=r"preset must be one of .*'llama-mini'.* got 't5-mini'"):
        LanguageModelConfig.preset("t5-mini", vocabulary_size=10)
    with pytest.raises(ValueError, match=r"unknown language model config keys \['hiden_dim'\]"):
        LanguageModelConfig.from_dict({"vocabulary_size": 10, "hiden_dim": 256})
    with pytest.raises(ValueError, match="the seq2seq config lacks vocabulary_size"):
        Seq2SeqConfig.from_dict({})
