"""What defines an encoder, as JSON values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from kerastx.models.config_checks import (
    EPSILONS,
    INITIALIZER_RANGES,
    MOST_TOKENS,
    check_at_most,
    check_choices,
    check_counts,
    check_dropout_rate,
    check_flags,
    check_keys,
    check_numbers,
)

# The published small-BERT family (Turc et al., 2019): (layers, hidden size); heads are hidden / 64, F is 4 x hidden.
PRESETS = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512), "medium": (8, 512), "base": (12, 768)}
ACTIVATION_NAMES = ("gelu", "gelu_tanh", "relu")
NORM_NAMES = ("post-norm", "pre-norm")
POOLER_ACTIVATION_NAMES = ("tanh", "gelu", "relu")


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes and choices of a Transformer encoder.

    Args:
        vocabulary_size: V, tokens including the special ones.
        hidden_dim: D, a multiple of num_heads.
        num_layers, num_heads, intermediate_dim: of the stack.
        max_sequence_length: rows of the position table, in tokens.
        num_segments: rows of the segment table.
        dropout_rate: in [0, 1), everywhere BERT drops.
        activation: "gelu" (exact), "gelu_tanh" or "relu".
        norm: "post-norm" (BERT) or "pre-norm".
        epsilon: of the layer norms.
        initializer_range: standard deviation of the initial weights.
        embedding_dim: E, of the token, position and segment tables where these are projected to D, as in ALBERT and
            small ELECTRA models; None = D, without a projection.
        share_layers: all blocks are one, with one set of weights, as in ALBERT.
        has_pooler: whether the bare encoder has a pooler; the heads that need one build it anyway.
        pooler_activation: between the two linear maps of a classification head: "tanh" (BERT, RoBERTa, ALBERT), "gelu"
            (ELECTRA) or "relu" (DistilBERT).
    """

    vocabulary_size: int
    hidden_dim: int = 768
    num_layers: int = 12
    num_heads: int = 12
    intermediate_dim: int = 3072
    max_sequence_length: int = 512
    num_segments: int = 2
    dropout_rate: float = 0.1
    activation: str = "gelu"
    norm: str = "post-norm"
    epsilon: float = 1e-12
    initializer_range: float = 0.02
    embedding_dim: int | None = None
    share_layers: bool = False
    has_pooler: bool = True
    pooler_activation: str = "tanh"

    def __post_init__(self):
        check_counts(
            self,
            (
                "vocabulary_size",
                "hidden_dim",
                "num_layers",
                "num_heads",
                "intermediate_dim",
                "max_sequence_length",
                "num_segments",
            ),
            optional=("embedding_dim",),
        )
        check_at_most(self, {"max_sequence_length": MOST_TOKENS})
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                "hidden_dim must be a multiple of num_heads, "
                f"got hidden_dim={self.hidden_dim}, num_heads={self.num_heads}."
            )
        check_dropout_rate(self)
        check_choices(
            self,
            {"activation": ACTIVATION_NAMES, "norm": NORM_NAMES, "pooler_activation": POOLER_ACTIVATION_NAMES},
        )
        check_flags(self, ("share_layers", "has_pooler"))
        check_numbers(self, {"epsilon": EPSILONS, "initializer_range": INITIALIZER_RANGES})

    @classmethod
    def preset(cls, name: str, *, vocabulary_size: int, **overrides: Any) -> EncoderConfig:
        """Return tiny (2x128), mini (4x256), small (4x512), medium (8x512) or base (12x768), with `overrides`."""
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {tuple(PRESETS)}, got {name!r}.")
        num_layers, hidden_dim = PRESETS[name]
        sizes = {
            "num_layers": num_layers,
            "hidden_dim": hidden_dim,
            "num_heads": hidden_dim // 64,
            "intermediate_dim": 4 * hidden_dim,
        }
        return cls(vocabulary_size=vocabulary_size, **{**sizes, **overrides})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> EncoderConfig:
        """Read what `to_dict` wrote; ValueError names every unknown or missing key."""
        check_keys(cls, values, name="encoder")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return every field as a JSON value."""
        return dataclasses.asdict(self)


def with_dropout(config: EncoderConfig, rate: float | None) -> EncoderConfig:
    """Return the same encoder with another dropout rate; None changes nothing."""
    return config if rate is None else dataclasses.replace(config, dropout_rate=rate)
