"""Optimizers as Transformers are trained with."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import keras

from kerastx.training.layer_decay import ScaledAdamW
from kerastx.training.schedules import WarmupLinearDecay

# Biases and the scales and shifts of norms are not decayed. Keras matches the backend's name of the variable:
# "bias" in jax, "bias:0" or a whole path in tensorflow.
UNDECAYED = [r"(^|/)(bias|gamma|beta)(:\d+)?$"]
# Keras adds it to the root of the second moment before that is corrected for its start: with the usual 1e-6 it acts
# like 1e-5 in the first hundred steps, as large as the clipped gradients of a pretrained encoder's lower layers, which
# then move a quarter less than Adam (Kingma and Ba, 2014, algorithm 1) says.
EPSILON = 1e-8


def adamw(
    learning_rate: float,
    total_steps: int,
    *,
    warmup_share: float = 0.1,
    weight_decay: float = 0.01,
    global_clipnorm: float = 1.0,
    accumulate: int = 1,
    scales: Mapping[str, float] | None = None,
    average: float | None = None,
) -> keras.optimizers.AdamW:
    """Return AdamW (Loshchilov and Hutter, 2017) with linear warm-up and decay and clipped gradients.

    Args:
        learning_rate: at the end of the warm-up.
        total_steps: updates of the whole run.
        warmup_share: of the total steps, in (0, 1).
        weight_decay: decoupled, none on biases and norms.
        global_clipnorm: largest norm of all gradients together.
        accumulate: batches whose mean gradient makes one update: a larger batch than fits into memory.
        scales: factors of the learning rate by layer, of `layer_scales`; None = the same rate for all.
        average: what the mean of the weights keeps of itself at each update, a number below 1; `fit` ends with that
            mean in the model (Polyak and Juditsky, 1992). None = with the last weights.
    """
    if accumulate < 1:
        raise ValueError(f"accumulate must be at least 1, got {accumulate}.")
    schedule = WarmupLinearDecay(learning_rate, total_steps, warmup_share=warmup_share, batches_per_step=accumulate)
    kind = functools.partial(ScaledAdamW, scales=scales) if scales else keras.optimizers.AdamW
    optimizer = kind(
        schedule,
        weight_decay=weight_decay,
        epsilon=EPSILON,
        global_clipnorm=global_clipnorm,
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        use_ema=average is not None,
        ema_momentum=average or 0.0,
        name="adamw",  # part of the paths in a checkpoint: Keras would number a second optimizer of a process
    )
    optimizer.exclude_from_weight_decay(var_names=UNDECAYED)
    return optimizer
