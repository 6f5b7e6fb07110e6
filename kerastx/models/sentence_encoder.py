"""One vector for a text."""

from __future__ import annotations

import keras

from kerastx.layers.pooling import MeanPooling, UnitLength
from kerastx.models.config import EncoderConfig
from kerastx.models.encoder import encode


def build_sentence_encoder(config: EncoderConfig) -> keras.Model:
    """Return the encoder with mean pooling and unit length (Reimers and Gurevych, 2019).

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool. Outputs: {"vector": float32 (B, D)}.
    """
    graph = encode(config)
    vector = UnitLength(name="vector")(MeanPooling(name="pooling")(graph.states, graph.inputs["padding_mask"]))
    return keras.Model(graph.inputs, {"vector": vector}, name="sentence_encoder")
