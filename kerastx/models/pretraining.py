"""The pretraining model: masked words and next sentence (Devlin et al., 2018, section 3.1)."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.masked_lm_head import MaskedLMHead
from kerastx.layers.pooling import FirstTokenPooler
from kerastx.layers.projection import Projection
from kerastx.models.config import EncoderConfig
from kerastx.models.encoder import encode


def build_pretrainer(config: EncoderConfig, *, sequences_per_row: int | None = None) -> keras.Model:
    """Return the encoder with its masked-LM and next-sentence heads.

    The last block answers for the first token and the masked positions alone, 21 of 128: the heads read no other.

    Args:
        config: of the encoder.
        sequences_per_row: S, the most pairs of a packed row, of `pretraining_dataset(pack=True)`; None = one, unpacked.

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool, masked_positions (B, P) int32; packed also
        positions, sequence_ids (B, T) and first_positions (B, S), int32.
    Outputs: {"masked_lm": float32 logits (B, P, V), "next_sentence": float32 logits (B, 2), packed (B, S, 2); 0 = is
        next}. The weights are the same, packed or not.
    """
    masked_positions = keras.Input((None,), dtype="int32", name="masked_positions")
    heads = {"masked_positions": masked_positions}
    first_positions = ops.zeros_like(masked_positions[:, :1])
    if sequences_per_row is not None:
        first_positions = heads["first_positions"] = keras.Input(
            (sequences_per_row,), dtype="int32", name="first_positions"
        )
    num_first = sequences_per_row or 1
    query_positions = ops.concatenate([first_positions, masked_positions], axis=1)
    graph = encode(config, packed=sequences_per_row is not None, query_positions=query_positions)
    first, masked = graph.states[:, :num_first], graph.states[:, num_first:]
    masked_lm = MaskedLMHead(
        graph.token_embedding, activation=config.activation, epsilon=config.epsilon, name="masked_lm_head"
    )(masked)
    pooled = FirstTokenPooler(activation=config.pooler_activation, each=sequences_per_row is not None, name="pooler")(
        first
    )
    next_sentence = Projection(2, initializer_range=config.initializer_range, name="next_sentence_head")(pooled)
    as_float32 = {"activation": "linear", "dtype": "float32"}
    return keras.Model(
        {**graph.inputs, **heads},
        {
            "masked_lm": keras.layers.Activation(name="masked_lm", **as_float32)(masked_lm),
            "next_sentence": keras.layers.Activation(name="next_sentence", **as_float32)(next_sentence),
        },
        name="pretrainer",
    )
