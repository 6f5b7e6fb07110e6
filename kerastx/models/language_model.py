"""The language model: the probability of each next token, given all before it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerastx.layers.gathering import gather_positions
from kerastx.layers.kv_cache import KeyValueCache, causal_mask, token_positions
from kerastx.layers.vocabulary_logits import VocabularyLogits
from kerastx.models.decoder_config import LanguageModelConfig
from kerastx.models.encoder import packed_inputs, same_sequence
from kerastx.models.stack import Stack, embedding, output_embedding


@keras.saving.register_keras_serializable("kerastx")
class LanguageModel(keras.Model):
    """A decoder with the logits of the next token at every position (Radford et al., 2019; Touvron et al., 2023).

    Args:
        config: of the decoder.
        packed: whether rows hold several sequences, which do not see each other; the weights are the same.

    Inputs: token_ids (B, T) int32, padding_mask (B, T) bool, on either side; packed also those of `packed_inputs`.
    Outputs: {"logits": float32 (B, T, V)}; those at a token are of the one behind it.

    To generate, `step` goes on from an `initial_cache`: with all of a prompt, then with one token at a time.
    """

    def __init__(
        self, config: LanguageModelConfig, *, packed: bool = False, name: str = "language_model", **kwargs: Any
    ):
        inputs = {
            "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
            "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
            **(packed_inputs() if packed else {}),
        }
        token_embedding = embedding(config, "token_embedding")
        decoder = Stack(config, side="decoder", num_layers=config.num_layers, token_embedding=token_embedding)
        head = VocabularyLogits(
            output_embedding(config, token_embedding), use_bias=config.output_bias, name="vocabulary_logits"
        )
        as_float32 = keras.layers.Activation("linear", dtype="float32", name="logits")
        positions = inputs["positions"] if packed else token_positions(inputs["padding_mask"])
        attention_mask = causal_mask(positions, positions)
        if packed:
            attention_mask = ops.logical_and(attention_mask, same_sequence(inputs["sequence_ids"]))
        states = decoder(inputs["token_ids"], positions, attention_mask=attention_mask)
        super().__init__(inputs=inputs, outputs={"logits": as_float32(head(states))}, name=name, **kwargs)
        self.config = config
        self.packed = packed
        self._decoder = decoder

    def initial_cache(self, batch_size: int, capacity: int = 0) -> KeyValueCache:
        """Return the cache of rows without tokens.

        Args:
            batch_size: B.
            capacity: S, slots for all tokens of the longest row, padding included, when steps are given a first_slot;
                0 when they are not.
        """
        return self._decoder.empty_cache(batch_size, capacity)

    def step(self, token_ids, positions, cache: KeyValueCache, *, first_slot=None):
        """Return the logits of what follows the last token of each row, and the cache that has the new tokens too.

        Args:
            token_ids: int32 (B, T): the prompts, padded on either side, or the next token of each row.
            positions: int32 (B, T), of the tokens in their rows, below max_sequence_length; -1 for padding. Those of
                prompts are `token_positions` of their mask.
            cache: of S slots.
            first_slot: int32 (), where the T slots of the new tokens begin: how many tokens and padding came before.
                None = the cache grows by T slots. See `write_slots`.

        Returns:
            Float32 (B, V), meaningless for a row of padding alone; the new cache.
        """
        states, cache = self._decoder.step(token_ids, positions, cache, first_slot=first_slot)
        return next_token_logits(self, states, positions), cache

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.to_dict(), "packed": self.packed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LanguageModel:
        return cls(LanguageModelConfig.from_dict(config["config"]), packed=config["packed"], name=config["name"])


def next_token_logits(model: keras.Model, states, positions):
    """Return the logits at the last token of each row: float (B, T, D), int32 (B, T) -> float32 (B, V)."""
    last = gather_positions(states, ops.expand_dims(ops.argmax(positions, axis=1), -1))
    logits = model.get_layer("logits")(model.get_layer("vocabulary_logits")(last))
    return ops.squeeze(logits, 1)
