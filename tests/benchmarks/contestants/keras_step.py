"""What a Keras contestant of the pretraining row shares: one compiled `train_function` call is a step."""

from __future__ import annotations

import pretrainer
import tensorflow as tf


class KerasStep:
    """A compiled model with its batch; subclasses set `model`, `elements(rows)` and `outputs(inputs)`."""

    def elements(self, rows: dict) -> tuple:
        """Return (inputs, targets) or (inputs, targets, weights) as the model takes them."""
        raise NotImplementedError

    def outputs(self, inputs: dict) -> tuple:
        """Return masked-LM and next-sentence logits without dropout."""
        raise NotImplementedError

    @property
    def matmuls(self) -> dict:
        left, right = (tf.constant(array) for array in pretrainer.factors())
        product = tf.function(tf.matmul)
        pairs = {"fp32": (left, right), "bf16": (tf.cast(left, tf.bfloat16), tf.cast(right, tf.bfloat16))}
        return {name: (lambda pair=pair: product(*pair), pretrainer.OPERATIONS) for name, pair in pairs.items()}

    def answer(self, case: str) -> list:
        rows = pretrainer.batch(self.sizes, pretrainer.CHECK_ROWS)
        masked_lm, next_sentence = self.outputs(self.elements(rows)[0])
        losses = (
            pretrainer.cross_entropy(masked_lm, rows["masked_labels"]),
            pretrainer.cross_entropy(next_sentence, rows["nsp_labels"]),
        )
        return pretrainer.answer(*losses, next_sentence)

    def call(self, case: str):
        dataset = tf.data.Dataset.from_tensors(self.elements(pretrainer.batch(self.sizes))).repeat()
        self.model.make_train_function()
        iterator, step = iter(dataset), self.model.train_function
        return lambda: step(iterator)
