"""The encoder: token ids in, hidden states out."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from kerastx.layers.embeddings import InputEmbeddings, TokenEmbedding
from kerastx.layers.encoder_block import EncoderBlock
from kerastx.layers.normalization import LayerNormalization
from kerastx.layers.pooling import FirstTokenPooler
from kerastx.layers.projection import Projection
from kerastx.models.config import EncoderConfig


class EncoderGraph(NamedTuple):
    """The symbolic pieces that a task model builds on."""

    inputs: dict[str, Any]  # token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool; more when packed
    token_embedding: TokenEmbedding  # to tie an output projection to
    states: Any  # float (B, T, D)


def encoder_inputs() -> dict[str, Any]:
    """Return symbolic token_ids, segment_ids (B, T) int32 and padding_mask (B, T) bool, True = real token."""
    return {
        "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
        "segment_ids": keras.Input((None,), dtype="int32", name="segment_ids"),
        "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
    }


def packed_inputs() -> dict[str, Any]:
    """Return symbolic positions and sequence_ids (B, T) int32 of rows that hold several sequences, 0 = padding."""
    return {name: keras.Input((None,), dtype="int32", name=name) for name in ("positions", "sequence_ids")}


def encode(
    config: EncoderConfig, *, packed: bool = False, first_token_only: bool = False, query_positions: Any = None
) -> EncoderGraph:
    """Lay out a BERT encoder (Devlin et al., 2018) of `config` over fresh inputs.

    Args:
        packed: whether rows hold several sequences, which do not see each other; see `packed_inputs`.
        first_token_only: the states are those of the first token, (B, 1, D); the last block then leaves out what
            only the others need, which is most of it.
        query_positions: symbolic int32 (B, Q), or None; the states are those of these positions alone, (B, Q, D).
    """
    inputs = {**encoder_inputs(), **(packed_inputs() if packed else {})}
    token_embedding = TokenEmbedding(
        config.vocabulary_size,
        config.embedding_dim or config.hidden_dim,
        initializer_range=config.initializer_range,
        name="token_embedding",
    )
    states = InputEmbeddings(
        config.max_sequence_length,
        num_segments=config.num_segments,
        dropout_rate=config.dropout_rate,
        epsilon=config.epsilon,
        initializer_range=config.initializer_range,
        name="input_embeddings",
    )(token_embedding(inputs["token_ids"]), inputs["segment_ids"], inputs.get("positions"))
    if packed:
        attention_mask = same_sequence(inputs["sequence_ids"])
    else:
        # (B, 1, 1, T): every query of every head sees the real tokens only.
        attention_mask = ops.expand_dims(ops.expand_dims(inputs["padding_mask"], 1), 1)
    if config.embedding_dim is not None:
        states = Projection(config.hidden_dim, initializer_range=config.initializer_range, name="embedding_projection")(
            states
        )
    blocks = _blocks(config, first_token_only=first_token_only)
    for index, block in enumerate(blocks):
        is_last = index == len(blocks) - 1
        states = block(
            states,
            attention_mask=attention_mask,
            query_positions=query_positions if is_last else None,
            # The one block cannot be built to know which of its uses is the last; it is told.
            first_token_only=first_token_only and config.share_layers and is_last,
        )
    if config.norm == "pre-norm":
        states = LayerNormalization(epsilon=config.epsilon, name="final_norm")(states)
    return EncoderGraph(inputs, token_embedding, states)


def _blocks(config: EncoderConfig, *, first_token_only: bool) -> list[EncoderBlock]:
    """Return the block of every layer; they are one and the same where layers are shared."""

    def block(index: int, *, first_token_only: bool) -> EncoderBlock:
        return EncoderBlock(
            config.num_heads,
            config.intermediate_dim,
            activation=config.activation,
            dropout_rate=config.dropout_rate,
            norm=config.norm,
            epsilon=config.epsilon,
            first_token_only=first_token_only,
            name=f"encoder_block_{index}",
        )

    if config.share_layers:
        return [block(0, first_token_only=False)] * config.num_layers
    last = config.num_layers - 1
    return [block(index, first_token_only=first_token_only and index == last) for index in range(config.num_layers)]


def same_sequence(sequence_ids):
    """Return who may attend to whom, blocks along the diagonal: int32 (B, T) -> bool (B, 1, T, T)."""
    return ops.expand_dims(ops.equal(ops.expand_dims(sequence_ids, 2), ops.expand_dims(sequence_ids, 1)), 1)


def build_encoder(config: EncoderConfig) -> keras.Model:
    """Return the bare encoder, as `config` has it with or without a pooler.

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool. Outputs: {"states": float32 (B, T, D)}, and
    with a pooler "pooled", float32 (B, D).
    """
    graph = encode(config)
    outputs = {"states": graph.states}
    if config.has_pooler:
        outputs["pooled"] = FirstTokenPooler(activation=config.pooler_activation, name="pooler")(graph.states)
    as_float32 = {"activation": "linear", "dtype": "float32"}
    outputs = {name: keras.layers.Activation(name=name, **as_float32)(value) for name, value in outputs.items()}
    return keras.Model(graph.inputs, outputs, name="encoder")
