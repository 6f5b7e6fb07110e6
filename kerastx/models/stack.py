"""One side of a model that generates: embeddings, blocks, a last norm."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerastx.layers.decoder_block import DecoderBlock
from kerastx.layers.embeddings import TokenEmbedding
from kerastx.layers.encoder_block import EncoderBlock
from kerastx.layers.kv_cache import NO_TOKEN, KeyValueCache, causal_mask, write_slots
from kerastx.layers.normalization import RMSNormalization, norm_layer
from kerastx.layers.positioned_embeddings import POSITION_VECTORS, PositionedEmbeddings
from kerastx.layers.relative_positions import RelativePositionBias
from kerastx.layers.rotary import RotaryPositions
from kerastx.models.decoder_config import GeneratorConfig


class Stack:
    """The layers of an encoder or a decoder of `config`, and the way of the tokens through them.

    Args:
        side: "encoder" or "decoder", with which the names of its layers begin.
        num_layers: number of its blocks.
        token_embedding: of its tokens.
        cross_attention: whether its blocks attend to a source.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        *,
        side: str,
        num_layers: int,
        token_embedding: TokenEmbedding,
        cross_attention: bool = False,
    ):
        self.config = config
        self.token_embedding = token_embedding
        self.embeddings = PositionedEmbeddings(
            position_vectors=config.positions if config.positions in POSITION_VECTORS else None,
            max_sequence_length=config.max_sequence_length,
            scale=math.sqrt(config.hidden_dim) if config.scale_embeddings else 1.0,
            norm_kind=config.norm_kind if config.embedding_norm else None,
            dropout_rate=config.dropout_rate,
            epsilon=config.epsilon,
            initializer_range=config.initializer_range,
            name=f"{side}_embeddings",
        )
        self.rotary = self.position_bias = self.norm = None
        if config.positions == "rotary":
            self.rotary = RotaryPositions(config.head_size, theta=config.rotary_theta, name=f"{side}_rotary")
        if config.positions == "relative":
            self.position_bias = RelativePositionBias(
                config.num_heads,
                num_buckets=config.num_buckets,
                max_distance=config.max_distance,
                bidirectional=side == "encoder",
                initializer_range=config.initializer_range,
                name=f"{side}_position_bias",
            )
        kind = EncoderBlock if side == "encoder" else functools.partial(DecoderBlock, cross_attention=cross_attention)
        self.blocks = [_block(kind, config, name=f"{side}_block_{index}") for index in range(num_layers)]
        if config.norm == "pre-norm":
            self.norm = _last_norm(config, name=f"{side}_norm", scaled=config.scale_outputs and side == "decoder")

    def __call__(self, token_ids, positions, *, attention_mask, source=None, source_mask=None):
        """Return the states of whole rows at once.

        Args:
            token_ids: int32 (B, T).
            positions: int32 (B, T), see `token_positions`.
            attention_mask: bool, broadcastable to (B, 1, T, T).
            source, source_mask: float (B, R, D) and bool, broadcastable to (B, 1, T, R), with cross-attention.

        Returns:
            Float (B, T, D).
        """
        # Distances within a row are those of its places, wherever it is padded: one bias for all rows.
        places = ops.cumsum(ops.ones_like(token_ids[:1, :]), axis=1)
        states, alike = self._begin(token_ids, positions, places, places)
        alike |= {"attention_mask": attention_mask}
        if source is not None:
            alike |= {"source": source, "source_mask": source_mask}
        for block in self.blocks:
            states = block(states, **alike)
        return states if self.norm is None else self.norm(states)

    def step(self, token_ids, positions, cache, *, first_slot, sources=None, source_mask=None):
        """Return the states of the next T tokens of each row, float (B, T, D), and the cache that has them too.

        Args:
            token_ids: int32 (B, T).
            positions: int32 (B, T), of the tokens in their rows, `NO_TOKEN` for padding.
            cache: `KeyValueCache` of S slots.
            first_slot: int32 () or None, see `write_slots`.
            sources: of each block what `source_keys_values` returned.
            source_mask: bool, broadcastable to (B, 1, T, R).
        """
        written_positions = write_slots(cache.positions, positions, first_slot=first_slot, axis=1)
        states, alike = self._begin(token_ids, positions, positions, written_positions)
        alike |= {"attention_mask": causal_mask(positions, written_positions), "first_slot": first_slot}
        written = []
        for index, block in enumerate(self.blocks):
            source = {} if sources is None else {"source": sources[index], "source_mask": source_mask}
            states, pair = block(states, cache=(cache.keys[index], cache.values[index]), **source, **alike)
            written.append(pair)
        keys, values = zip(*written, strict=True)
        return states if self.norm is None else self.norm(states), KeyValueCache(written_positions, keys, values)

    def empty_cache(self, batch_size: int, capacity: int) -> KeyValueCache:
        """Return a cache of so many empty slots; 0 for steps without first_slot."""
        shape = (batch_size, self.config.kv_heads, capacity, self.config.head_size)
        positions = ops.full((batch_size, capacity), NO_TOKEN, dtype="int32")
        zeros = tuple(ops.zeros(shape, dtype=block.compute_dtype) for block in self.blocks)
        return KeyValueCache(positions, zeros, zeros)

    def _begin(self, token_ids, positions, query_positions, key_positions) -> tuple[Any, dict[str, Any]]:
        """Return the first states, and what all blocks need to know of positions."""
        alike = {}
        if self.rotary is not None:
            alike["rotation"] = self.rotary(positions)
        if self.position_bias is not None:
            alike["position_bias"] = self.position_bias(query_positions, key_positions)
        return self.embeddings(self.token_embedding(token_ids), positions), alike


def _block(kind: Callable[..., EncoderBlock], config: GeneratorConfig, *, name: str) -> EncoderBlock:
    return kind(
        config.num_heads,
        config.intermediate_dim,
        num_kv_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        activation=config.activation,
        gated=config.gated,
        dropout_rate=config.dropout_rate,
        norm=config.norm,
        norm_kind=config.norm_kind,
        epsilon=config.epsilon,
        use_bias=config.use_bias,
        qkv_bias=config.qkv_bias,
        scale_scores=config.scale_scores,
        initializer_range=config.initializer_range,
        name=name,
    )


def _last_norm(config: GeneratorConfig, *, name: str, scaled: bool) -> keras.layers.Layer:
    if scaled:
        return RMSNormalization(epsilon=config.epsilon, scale=config.hidden_dim**-0.5, name=name)
    return norm_layer(config.norm_kind, epsilon=config.epsilon, name=name)


def embedding(config: GeneratorConfig, name: str, vocabulary_size: int | None = None) -> TokenEmbedding:
    """Return a table of token vectors, of the config's vocabulary or another."""
    return TokenEmbedding(
        vocabulary_size or config.vocabulary_size,
        config.hidden_dim,
        initializer_range=config.initializer_range,
        name=name,
    )


def output_embedding(config: GeneratorConfig, token_embedding: TokenEmbedding) -> TokenEmbedding:
    """Return the table that logits come from: that of the embeddings, or another where they are not tied."""
    return token_embedding if config.tied_embeddings else embedding(config, "output_embedding")
