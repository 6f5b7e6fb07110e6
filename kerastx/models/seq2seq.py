"""The encoder-decoder: the probability of each next token of a target, given its source and all before it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerastx.layers.kv_cache import KeyValueCache, causal_mask, token_positions
from kerastx.layers.vocabulary_logits import VocabularyLogits
from kerastx.models.decoder_config import Seq2SeqConfig
from kerastx.models.language_model import next_token_logits
from kerastx.models.stack import Stack, embedding, output_embedding


@keras.saving.register_keras_serializable("kerastx")
class Seq2Seq(keras.Model):
    """The Transformer of translation (Vaswani et al., 2017) and of T5 (Raffel et al., 2020).

    Inputs: source_token_ids (B, R), target_token_ids (B, T) int32, source_padding_mask (B, R), target_padding_mask
    (B, T) bool. Outputs: {"logits": float32 (B, T, V)}; those at a token of the target are of the one behind it.

    To generate, `encode` the source once; `step` goes on from an `initial_cache`, one token of the target at a time.
    """

    def __init__(self, config: Seq2SeqConfig, *, name: str = "seq2seq", **kwargs: Any):
        inputs = {
            "source_token_ids": keras.Input((None,), dtype="int32", name="source_token_ids"),
            "source_padding_mask": keras.Input((None,), dtype="bool", name="source_padding_mask"),
            "target_token_ids": keras.Input((None,), dtype="int32", name="target_token_ids"),
            "target_padding_mask": keras.Input((None,), dtype="bool", name="target_padding_mask"),
        }
        token_embedding = embedding(config, "token_embedding")
        source_embedding = token_embedding
        if config.source_vocabulary_size is not None:
            source_embedding = embedding(config, "source_embedding", config.source_vocabulary_size)
        encoder = Stack(config, side="encoder", num_layers=config.num_layers, token_embedding=source_embedding)
        decoder = Stack(
            config,
            side="decoder",
            num_layers=config.num_decoder_layers or config.num_layers,
            token_embedding=token_embedding,
            cross_attention=True,
        )
        head = VocabularyLogits(
            output_embedding(config, token_embedding), use_bias=config.output_bias, name="vocabulary_logits"
        )
        as_float32 = keras.layers.Activation("linear", dtype="float32", name="logits")
        positions = token_positions(inputs["target_padding_mask"])
        states = decoder(
            inputs["target_token_ids"],
            positions,
            attention_mask=causal_mask(positions, positions),
            source=_source_states(encoder, inputs["source_token_ids"], inputs["source_padding_mask"]),
            source_mask=_for_all_queries(inputs["source_padding_mask"]),
        )
        super().__init__(inputs=inputs, outputs={"logits": as_float32(head(states))}, name=name, **kwargs)
        self.config = config
        self._encoder = encoder
        self._decoder = decoder

    def encode(self, source_token_ids, source_padding_mask):
        """Return what all steps need of the source: keys and values, float (B, N_kv, R, H), for each decoder block.

        Args:
            source_token_ids: int32 (B, R).
            source_padding_mask: bool (B, R).
        """
        states = _source_states(self._encoder, source_token_ids, source_padding_mask)
        return tuple(block.source_keys_values(states) for block in self._decoder.blocks)

    def initial_cache(self, batch_size: int, capacity: int = 0) -> KeyValueCache:
        """Return the cache of targets without tokens; see `LanguageModel.initial_cache`."""
        return self._decoder.empty_cache(batch_size, capacity)

    def step(self, token_ids, positions, cache: KeyValueCache, *, sources, source_padding_mask, first_slot=None):
        """Return the logits of what follows the last token of each target, and the cache that has the new tokens too.

        Args:
            token_ids, positions: int32 (B, T), of the target; see `LanguageModel.step`.
            cache: of S slots.
            sources: what `encode` returned.
            source_padding_mask: bool (B, R).
            first_slot: int32 () or None; see `LanguageModel.step`.

        Returns:
            Float32 (B, V); the new cache.
        """
        states, cache = self._decoder.step(
            token_ids,
            positions,
            cache,
            first_slot=first_slot,
            sources=sources,
            source_mask=_for_all_queries(source_padding_mask),
        )
        return next_token_logits(self, states, positions), cache

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.to_dict(), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Seq2Seq:
        return cls(Seq2SeqConfig.from_dict(config["config"]), name=config["name"])


def _source_states(encoder: Stack, token_ids, padding_mask):
    return encoder(token_ids, token_positions(padding_mask), attention_mask=_for_all_queries(padding_mask))


def _for_all_queries(padding_mask):
    """Return bool (B, 1, 1, R): every query of every head sees the real tokens only."""
    return ops.expand_dims(ops.expand_dims(padding_mask, 1), 1)
