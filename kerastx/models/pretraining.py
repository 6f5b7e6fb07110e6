"""The pretraining model: masked words and next sentence (Devlin et al., 2018, section 3.1)."""

from __future__ import annotations

import keras

from kerastx.layers.masked_lm_head import MaskedLMHead
from kerastx.layers.pooling import FirstTokenPooler
from kerastx.layers.projection import Projection
from kerastx.models.config import EncoderConfig
from kerastx.models.encoder import encode


def build_pretrainer(config: EncoderConfig, *, packed: bool = False) -> keras.Model:
    """Return the encoder with its masked-LM and next-sentence heads.

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool, masked_positions (B, P) int32.
    Outputs: {"masked_lm": float32 logits (B, P, V), "next_sentence": float32 logits (B, 2); 0 = is next}.

    Args:
        config: of the encoder.
        packed: for rows of several pairs, of `pretraining_dataset(pack=True)`: more inputs, positions and sequence_ids
            (B, T) and first_positions (B, S) int32, next_sentence is (B, S, 2), the weights are the same.
    """
    graph = encode(config, packed=packed)
    inputs = {**graph.inputs, "masked_positions": keras.Input((None,), dtype="int32", name="masked_positions")}
    if packed:
        inputs["first_positions"] = keras.Input((None,), dtype="int32", name="first_positions")
    masked_lm = MaskedLMHead(
        graph.token_embedding, activation=config.activation, epsilon=config.epsilon, name="masked_lm_head"
    )(graph.states, inputs["masked_positions"])
    pooled = FirstTokenPooler(name="pooler")(graph.states, inputs.get("first_positions"))
    next_sentence = Projection(2, initializer_range=config.initializer_range, name="next_sentence_head")(pooled)
    as_float32 = {"activation": "linear", "dtype": "float32"}
    return keras.Model(
        inputs,
        {
            "masked_lm": keras.layers.Activation(name="masked_lm", **as_float32)(masked_lm),
            "next_sentence": keras.layers.Activation(name="next_sentence", **as_float32)(next_sentence),
        },
        name="pretrainer",
    )
