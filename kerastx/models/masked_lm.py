"""The masked language model alone: words for the places that were masked."""

from __future__ import annotations

import keras

from kerastx.layers.masked_lm_head import MaskedLMHead
from kerastx.models.config import EncoderConfig
from kerastx.models.encoder import encode


def build_masked_lm(config: EncoderConfig) -> keras.Model:
    """Return the encoder with its masked-LM head (Devlin et al., 2018, section 3.1, task 1).

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool, masked_positions (B, P) int32. Outputs:
    {"masked_lm": float32 logits (B, P, V)}.
    """
    masked_positions = keras.Input((None,), dtype="int32", name="masked_positions")
    graph = encode(config, query_positions=masked_positions)
    logits = MaskedLMHead(
        graph.token_embedding, activation=config.activation, epsilon=config.epsilon, name="masked_lm_head"
    )(graph.states)
    logits = keras.layers.Activation("linear", dtype="float32", name="masked_lm")(logits)
    return keras.Model({**graph.inputs, "masked_positions": masked_positions}, {"masked_lm": logits}, name="masked_lm")
