"""Labels or a number for a text or a pair of texts."""

from __future__ import annotations

import keras

from kerastx.layers.dropout import Dropout
from kerastx.layers.pooling import FirstTokenPooler
from kerastx.layers.projection import Projection
from kerastx.models.config import EncoderConfig
from kerastx.models.encoder import encode


def build_classifier(config: EncoderConfig, *, num_classes: int, dropout_rate: float = 0.1) -> keras.Model:
    """Return the encoder with a pooled classification head: one of several labels, or any of them.

    Args:
        config: of the encoder.
        num_classes: C, at least 2.
        dropout_rate: between pooler and head, while training.

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool. Outputs: {"logits": float32 (B, C)}.
    """
    if num_classes < 2:
        raise ValueError(f"a classifier needs at least 2 classes, got {num_classes=}.")
    return _with_head(config, num_classes, output="logits", dropout_rate=dropout_rate)


def build_regressor(config: EncoderConfig, *, dropout_rate: float = 0.1) -> keras.Model:
    """Return the encoder with a pooled head that answers one number.

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool. Outputs: {"score": float32 (B, 1)}.
    """
    return _with_head(config, 1, output="score", dropout_rate=dropout_rate)


def _with_head(config: EncoderConfig, units: int, *, output: str, dropout_rate: float) -> keras.Model:
    graph = encode(config, first_token_only=True)
    pooled = FirstTokenPooler(activation=config.pooler_activation, name="pooler")(graph.states)
    pooled = Dropout(dropout_rate, name="classifier_dropout")(pooled)
    values = Projection(units, initializer_range=config.initializer_range, name="classifier_head")(pooled)
    values = keras.layers.Activation("linear", dtype="float32", name=output)(values)
    return keras.Model(graph.inputs, {output: values}, name="classifier")
