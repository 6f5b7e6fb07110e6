"""One layer of the Transformer decoder (Vaswani et al., 2017, section 3.1)."""

from __future__ import annotations

import keras

from kerastx.layers.cross_attention import CrossAttention
from kerastx.layers.dropout import Dropout
from kerastx.layers.encoder_block import EncoderBlock
from kerastx.layers.normalization import norm_layer


@keras.saving.register_keras_serializable("kerastx")
class DecoderBlock(EncoderBlock):
    """What an encoder block has, between its two parts attention to a source if asked for, and a cache to continue.

    Args:
        cross_attention: whether there is a source.
        others: see `EncoderBlock`; first_token_only is not for decoders.

    Call:
        states: float (B, T, D).
        attention_mask: bool, broadcastable to (B, N, T, S); a decoder's is a `causal_mask`.
        rotation: float32 (B, 1, T, H) of `RotaryPositions`, or None.
        position_bias: float, broadcastable to (B, N, T, S), of `RelativePositionBias`, or None.
        source: float (B, R, D), the states of the source, or `source_keys_values` of them.
        source_mask: bool, broadcastable to (B, N, T, R).
        cache: keys and values of earlier states, float (B, N_kv, S, H) each, see `kerastx.layers.kv_cache`, or None;
            then S = T.
        first_slot: int32 (), of the cache, or None; see `write_slots`.

    Returns:
        Float (B, T, D); with cache also the new one, (keys, values).
    """

    def __init__(self, num_heads: int, intermediate_dim: int, *, cross_attention: bool = False, **kwargs):
        super().__init__(num_heads, intermediate_dim, **kwargs)
        self.has_cross_attention = cross_attention
        if cross_attention:
            policy = self.dtype_policy
            self.cross_attention = CrossAttention(num_heads, name="cross_attention", **self._of_attention())
            self.cross_attention_norm = norm_layer(
                self.norm_kind, epsilon=self.epsilon, name="cross_attention_norm", dtype=policy
            )
            self.cross_attention_dropout = Dropout(self.dropout_rate, name="cross_attention_dropout", dtype=policy)

    def build(self, states_shape):
        super().build(states_shape)
        if self.has_cross_attention:
            for layer in (self.cross_attention, self.cross_attention_norm, self.cross_attention_dropout):
                layer.build(states_shape)

    def source_keys_values(self, source_states):
        """Return what each step needs of the source, keys and values float (B, N_kv, R, H), of float (B, R, D)."""
        return self.cross_attention.source_keys_values(source_states)

    def call(
        self,
        states,
        attention_mask=None,
        rotation=None,
        position_bias=None,
        source=None,
        source_mask=None,
        cache=None,
        first_slot=None,
        training=None,
    ):
        new_cache = None

        def attend(x):
            nonlocal new_cache
            x = self.attention(
                x,
                attention_mask=attention_mask,
                rotation=rotation,
                position_bias=position_bias,
                cache=cache,
                first_slot=first_slot,
                training=training,
            )
            if cache is not None:
                x, new_cache = x
            return x

        def attend_to_source(x):
            return self.cross_attention(x, source, attention_mask=source_mask, training=training)

        def add(x, function, norm, dropout):
            if self.norm == "post-norm":
                return norm(x + dropout(function(x), training=training))
            return x + dropout(function(norm(x)), training=training)

        states = add(states, attend, self.attention_norm, self.attention_dropout)
        if self.has_cross_attention:
            states = add(states, attend_to_source, self.cross_attention_norm, self.cross_attention_dropout)
        states = add(states, self.feed_forward, self.feed_forward_norm, self.feed_forward_dropout)
        return states if cache is None else (states, new_cache)

    def compute_output_spec(self, states, *args, cache=None, first_slot=None, **kwargs):
        states = keras.KerasTensor(states.shape, dtype=self.compute_dtype)
        if cache is None:
            return states

        def written(cached):
            batch, num_heads, slots, head_size = cached.shape
            if first_slot is None:
                slots = None if None in (slots, states.shape[1]) else slots + states.shape[1]
            return keras.KerasTensor((batch, num_heads, slots, head_size), dtype=self.compute_dtype)

        return states, tuple(written(cached) for cached in cache)

    def compute_output_shape(self, states_shape):
        return states_shape

    def get_config(self):
        config = {**super().get_config(), "cross_attention": self.has_cross_attention}
        del config["first_token_only"]
        return config
