"""What defines a model that generates, as JSON values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from kerastx.models.config import NORM_NAMES, PRESETS
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

ACTIVATION_NAMES = ("gelu", "gelu_tanh", "relu", "silu")
NORM_KIND_NAMES = ("layer", "rms")
POSITION_NAMES = ("learned", "sinusoidal", "rotary", "relative")
# More than any published model has.
MOST_BUCKETS, MOST_DISTANCE = 512, 100_000
ROTARY_THETAS = (1.0, 1e12)
# What the families differ in; their sizes are those of `PRESETS`.
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "llama": {
        "positions": "rotary",
        "activation": "silu",
        "gated": True,
        "norm_kind": "rms",
        "use_bias": False,
        "dropout_rate": 0.0,
    },
    "transformer": {
        "positions": "sinusoidal",
        "activation": "relu",
        "norm": "post-norm",
        "epsilon": 1e-6,
        "scale_embeddings": True,
    },
    # T5 trains with Adafactor, whose updates grow with what they update: scores without 1/√H, and states divided by √D
    # before a table that starts at a deviation of 1. Adam learns from the usual ones.
    "t5": {
        "positions": "relative",
        "activation": "relu",
        "norm_kind": "rms",
        "epsilon": 1e-6,
        "use_bias": False,
    },
}


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Sizes and choices of what writes one token after the other, with or without a source.

    Args:
        vocabulary_size: V, tokens including the special ones.
        hidden_dim: D.
        num_layers, num_heads, intermediate_dim: of the stack.
        num_kv_heads: heads of keys and values, a divisor of num_heads; None = num_heads.
        head_dim: H; None = D / num_heads.
        max_sequence_length: the most tokens, up to 2^20; rows of the position table where positions are learned.
        positions: "learned" (GPT-2), "sinusoidal" (Vaswani et al., 2017), "rotary" (Llama) or "relative" (T5).
        rotary_theta: θ of rotary positions.
        num_buckets, max_distance: of relative positions; up to 512 and 100,000.
        dropout_rate: in [0, 1), of embeddings, attention weights and residual branches.
        activation: "gelu" (exact), "gelu_tanh", "relu" or "silu".
        gated: of the feed-forward networks; with "silu" SwiGLU.
        norm: "pre-norm" or "post-norm".
        norm_kind: "layer" or "rms".
        epsilon: of the norms.
        use_bias: of all linear maps.
        qkv_bias: of queries, keys and values; None = use_bias.
        scale_scores: divide attention scores by √H.
        scale_embeddings: multiply token vectors by √D.
        scale_outputs: divide the states by √D before they meet the output table; for pre-norm of the kind "rms".
        embedding_norm: a norm behind the embeddings.
        tied_embeddings: logits come from the table of the embeddings.
        output_bias: of the logits.
        initializer_range: standard deviation of the initial weights.
    """

    name: ClassVar[str]
    families: ClassVar[tuple[str, ...]]

    vocabulary_size: int
    hidden_dim: int = 768
    num_layers: int = 12
    num_heads: int = 12
    num_kv_heads: int | None = None
    head_dim: int | None = None
    intermediate_dim: int = 3072
    max_sequence_length: int = 1024
    positions: str = "learned"
    rotary_theta: float = 10000.0
    num_buckets: int = 32
    max_distance: int = 128
    dropout_rate: float = 0.1
    activation: str = "gelu_tanh"
    gated: bool = False
    norm: str = "pre-norm"
    norm_kind: str = "layer"
    epsilon: float = 1e-5
    use_bias: bool = True
    qkv_bias: bool | None = None
    scale_scores: bool = True
    scale_embeddings: bool = False
    scale_outputs: bool = False
    embedding_norm: bool = False
    tied_embeddings: bool = True
    output_bias: bool = False
    initializer_range: float = 0.02

    def __post_init__(self):
        counts = ("vocabulary_size", "hidden_dim", "num_layers", "num_heads", "intermediate_dim")
        counts = (*counts, "max_sequence_length", "num_buckets", "max_distance")
        check_counts(self, counts, optional=("num_kv_heads", "head_dim"))
        limits = {"max_sequence_length": MOST_TOKENS, "num_buckets": MOST_BUCKETS, "max_distance": MOST_DISTANCE}
        check_at_most(self, limits)
        if self.head_dim is None and self.hidden_dim % self.num_heads:
            raise ValueError(
                "hidden_dim must be a multiple of num_heads where head_dim is not given, "
                f"got hidden_dim={self.hidden_dim}, num_heads={self.num_heads}."
            )
        if self.num_heads % self.kv_heads:
            raise ValueError(
                f"num_kv_heads must divide num_heads, got num_kv_heads={self.kv_heads}, num_heads={self.num_heads}."
            )
        check_choices(
            self,
            {
                "activation": ACTIVATION_NAMES,
                "norm": NORM_NAMES,
                "norm_kind": NORM_KIND_NAMES,
                "positions": POSITION_NAMES,
            },
        )
        if self.positions == "rotary" and self.head_size % 2:
            raise ValueError(f"rotary positions need an even size of heads, got {self.head_size}.")
        if self.scale_outputs and (self.norm, self.norm_kind) != ("pre-norm", "rms"):
            raise ValueError(
                f"scale_outputs is for pre-norm of the kind rms, got norm={self.norm!r}, norm_kind={self.norm_kind!r}."
            )
        check_dropout_rate(self)
        flags = ("gated", "use_bias", "scale_scores", "scale_embeddings", "scale_outputs")
        flags = (*flags, "embedding_norm", "tied_embeddings", "output_bias")
        check_flags(self, flags, optional=("qkv_bias",))
        limits = {"epsilon": EPSILONS, "initializer_range": INITIALIZER_RANGES, "rotary_theta": ROTARY_THETAS}
        check_numbers(self, limits)

    @property
    def head_size(self) -> int:
        """H."""
        return self.head_dim or self.hidden_dim // self.num_heads

    @property
    def kv_heads(self) -> int:
        """N_kv."""
        return self.num_kv_heads or self.num_heads

    @classmethod
    def preset(cls, name: str, *, vocabulary_size: int, **overrides: Any) -> Self:
        """Return FAMILY-SIZE with `overrides`, sizes being those of `EncoderConfig.preset`: "gpt2-mini" is 4 x 256."""
        family, _, size = name.rpartition("-")
        if family not in cls.families or size not in PRESETS:
            names = tuple(f"{family}-{size}" for family in cls.families for size in PRESETS)
            raise ValueError(f"preset must be one of {names}, got {name!r}.")
        num_layers, hidden_dim = PRESETS[size]
        num_heads = hidden_dim // 64
        sizes = {
            "num_layers": num_layers,
            "hidden_dim": hidden_dim,
            "num_heads": num_heads,
            "intermediate_dim": 4 * hidden_dim,
        }
        if family == "llama":  # as many weights with three matrices as with two
            sizes |= {"num_kv_heads": num_heads // 2, "intermediate_dim": (8 * hidden_dim // 3 + 63) // 64 * 64}
        if family == "transformer":  # token vectors times √D are as long as the positions that are added to them
            sizes |= {"initializer_range": hidden_dim**-0.5}
        return cls(vocabulary_size=vocabulary_size, **{**sizes, **FAMILIES[family], **overrides})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; ValueError names every unknown or missing key."""
        check_keys(cls, values, name=cls.name)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return every field as a JSON value."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(GeneratorConfig):
    """Sizes and choices of a decoder that continues texts; presets are gpt2-SIZE and llama-SIZE."""

    name = "language model"
    families = ("gpt2", "llama")


@dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig(GeneratorConfig):
    """Sizes and choices of an encoder and a decoder; presets are transformer-SIZE and t5-SIZE.

    Args:
        num_decoder_layers: None = num_layers, which is the encoder's.
        source_vocabulary_size: of a table of the source's own; None = both sides share one.
        others: see `GeneratorConfig`; positions may not be "rotary".
    """

    name = "seq2seq"
    families = ("transformer", "t5")

    num_decoder_layers: int | None = None
    source_vocabulary_size: int | None = None

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, (), optional=("num_decoder_layers", "source_vocabulary_size"))
        if self.positions == "rotary":
            raise ValueError("positions of a seq2seq model must be learned, sinusoidal or relative, got 'rotary'.")
