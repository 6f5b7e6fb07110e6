"""The encoder's config: presets, checks, exact JSON round trip."""

from __future__ import annotations

import json

import pytest

from kerastx.models.config import EncoderConfig


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("tiny", (2, 128, 2, 512)),
        ("mini", (4, 256, 4, 1024)),
        ("small", (4, 512, 8, 2048)),
        ("medium", (8, 512, 8, 2048)),
        ("base", (12, 768, 12, 3072)),
    ],
)
def test_presets_are_the_published_family(name, sizes):
    config = EncoderConfig.preset(name, vocabulary_size=30522)
    assert (config.num_layers, config.hidden_dim, config.num_heads, config.intermediate_dim) == sizes


def test_round_trip_through_json():
    config = EncoderConfig.preset("tiny", vocabulary_size=99, norm="pre-norm", dropout_rate=0.0)
    assert EncoderConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_dim": 10, "num_heads": 3}, "multiple of num_heads, got hidden_dim=10, num_heads=3"),
        ({"num_layers": 0}, "num_layers must be a positive integer, got 0"),
        ({"num_layers": True}, "num_layers must be a positive integer, got True"),
        ({"dropout_rate": 1.0}, r"dropout_rate must be in \[0, 1\), got 1.0"),
        ({"activation": "tanh"}, "activation must be one of .* got 'tanh'"),
        ({"norm": "none"}, "norm must be one of .* got 'none'"),
        ({"epsilon": 0.0}, r"epsilon must be a number from 1e-30 to 1, got 0\.0"),
        ({"epsilon": float("nan")}, "epsilon must be a number from 1e-30 to 1, got nan"),
        ({"initializer_range": float("inf")}, "initializer_range must be a number from 1e-30 to 1000, got inf"),
        ({"initializer_range": None}, "initializer_range must be a number from 1e-30 to 1000, got None"),
        ({"dropout_rate": None}, r"dropout_rate must be in \[0, 1\), got None"),
        ({"max_sequence_length": 10**9}, "max_sequence_length must be at most 1,048,576, got 1000000000"),
    ],
)
def test_bad_values(change, message):
    with pytest.raises(ValueError, match=message):
        EncoderConfig(vocabulary_size=10, **change)


def test_unknown_preset_and_keys():
    with pytest.raises(ValueError, match="preset must be one of .* got 'huge'"):
        EncoderConfig.preset("huge", vocabulary_size=10)
    with pytest.raises(ValueError, match=r"unknown encoder config keys \['hiden_dim'\]"):
        EncoderConfig.from_dict({"vocabulary_size": 10, "hiden_dim": 256})
    with pytest.raises(ValueError, match="lacks vocabulary_size"):
        EncoderConfig.from_dict({})
