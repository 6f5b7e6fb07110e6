"""Losses by output name, for `compile()`."""

from __future__ import annotations

import keras


def cross_entropy(name: str = "cross_entropy") -> keras.losses.Loss:
    """Return L = -Σ w log softmax(logits)[label] / Σ w over float logits (..., C) and int32 labels (...).

    The mean is over real positions: Keras' default reduction divides by filler positions (weight 0) too.
    """
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight", name=name)


def pretraining_losses() -> dict[str, keras.losses.Loss]:
    """Return the losses of `build_pretrainer`'s outputs; pass masked weights as `sample_weight`."""
    return {"masked_lm": cross_entropy(), "next_sentence": cross_entropy()}
