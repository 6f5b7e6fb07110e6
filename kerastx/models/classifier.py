"""One label for a text or a pair of texts."""

from __future__ import annotations

import keras

from kerastx.layers.dropout import Dropout
from kerastx.layers.pooling import FirstTokenPooler
from kerastx.layers.projection import Projection
from kerastx.models.config import EncoderConfig
from kerastx.models.encoder import encode


def build_classifier(config: EncoderConfig, *, num_classes: int, dropout_rate: float = 0.1) -> keras.Model:
    """Return the encoder with a pooled classification head.

    Args:
        config: of the encoder.
        num_classes: C, at least 2.
        dropout_rate: between pooler and head, while training.

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool. Outputs: {"logits": float32 (B, C)}.
    """
    if num_classes < 2:
        raise ValueError(f"a classifier needs at least 2 classes, got {num_classes=}.")
    graph = encode(config, first_token_only=True)
    pooled = FirstTokenPooler(name="pooler")(graph.states)
    pooled = Dropout(dropout_rate, name="classifier_dropout")(pooled)
    logits = Projection(num_classes, initializer_range=config.initializer_range, name="classifier_head")(pooled)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model(graph.inputs, {"logits": logits}, name="classifier")
