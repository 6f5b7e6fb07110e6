"""The position-wise feed-forward network (Vaswani et al., 2017, equation 2), plain or gated."""

from __future__ import annotations

import keras
from keras import ops

from kerastx.layers.activations import activation as named_activation
from kerastx.layers.projection import Projection


@keras.saving.register_keras_serializable("kerastx")
class FeedForward(keras.layers.Layer):
    """f(xW₁ + b₁)W₂ + b₂ at every position; gated: (f(xW₁ + b₁) ⊙ (xV + c))W₂ + b₂ (Shazeer, 2020, section 2).

    Gated with silu it is SwiGLU, as in Llama. W₁ and V are then one kernel, (D, 2F), W₁ first.

    Args:
        intermediate_dim: F, the width between the two maps.
        activation: name of f; see `kerastx.layers.activations`.
        gated: whether the second half of a map twice as wide multiplies what the first half became.
        use_bias: whether the maps have biases.
        initializer_range: standard deviation of the initial kernels.

    Call: float (B, T, D) -> float (B, T, D).
    """

    def __init__(
        self,
        intermediate_dim: int,
        *,
        activation: str = "gelu",
        gated: bool = False,
        use_bias: bool = True,
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if intermediate_dim < 1:
            raise ValueError(f"intermediate_dim must be at least 1, got {intermediate_dim=}.")
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.gated = gated
        self.use_bias = use_bias
        self.initializer_range = initializer_range
        self._activate = named_activation(activation)

    def build(self, states_shape):
        alike = {
            "use_bias": self.use_bias,
            "initializer_range": self.initializer_range,
            "dtype": self.dtype_policy,
        }
        width = 2 * self.intermediate_dim if self.gated else self.intermediate_dim
        self.expansion = Projection(width, name="expansion", **alike)
        self.expansion.build(states_shape)
        self.contraction = Projection(states_shape[-1], name="contraction", **alike)
        self.contraction.build((*states_shape[:-1], self.intermediate_dim))

    def call(self, states):
        # Folded once for both maps: unfolding the widest tensor in between would copy it twice.
        flat = ops.reshape(states, (-1, states.shape[-1]))
        wide = self.expansion(flat)
        if self.gated:
            gate, values = ops.split(wide, 2, axis=-1)
            wide = self._activate(gate) * values
        else:
            wide = self._activate(wide)
        return ops.reshape(self.contraction(wide), ops.shape(states))

    def compute_output_shape(self, states_shape):
        return states_shape

    def get_config(self):
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "activation": self.activation,
            "gated": self.gated,
            "use_bias": self.use_bias,
            "initializer_range": self.initializer_range,
        }
