"""A label for every token of a text."""

from __future__ import annotations

import keras

from kerastx.layers.dropout import Dropout
from kerastx.layers.projection import Projection
from kerastx.models.config import EncoderConfig
from kerastx.models.encoder import encode


def build_tagger(config: EncoderConfig, *, num_tags: int, dropout_rate: float = 0.1) -> keras.Model:
    """Return the encoder with a head at every token (Devlin et al., 2018, section 5.3).

    Args:
        config: of the encoder.
        num_tags: C, at least 2.
        dropout_rate: between encoder and head, while training.

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool. Outputs: {"logits": float32 (B, T, C)}.
    """
    if num_tags < 2:
        raise ValueError(f"a tagger needs at least 2 tags, got {num_tags=}.")
    graph = encode(config)
    states = Dropout(dropout_rate, name="tagger_dropout")(graph.states)
    logits = Projection(num_tags, initializer_range=config.initializer_range, name="tagger_head")(states)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model(graph.inputs, {"logits": logits}, name="tagger")
