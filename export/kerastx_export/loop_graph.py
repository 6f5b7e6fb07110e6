"""All of a greedy text as one function: for a host that has no loop of its own, as an app in Java or Swift.

What it writes is what steps of the same file write; there is no way to choose tokens otherwise, nor to see them come.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kerastx.checkpoint.generating import vocabularies_of
from kerastx.checkpoint.store import Checkpoint
from kerastx.models.greedy_loop import GreedyLoop

Tensors = dict[str, tf.Tensor]


def loop_specs(checkpoint: Checkpoint) -> dict[str, tf.TensorSpec]:
    """Return the inputs of a whole text: those of the first step, and how many tokens each row may have.

    Prompt and new tokens together must not be more than the model has room for. Positions count from 0, and -1 is
    padding, on either side; of an encoder-decoder the tokens are those that a target begins with.
    """
    rows = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in ("token_ids", "positions")}
    rows["max_new_tokens"] = tf.TensorSpec([None], tf.int32, name="max_new_tokens")
    if checkpoint.task == "seq2seq":
        rows["source_token_ids"] = tf.TensorSpec([None, None], tf.int32, name="source_token_ids")
        rows["source_padding_mask"] = tf.TensorSpec([None, None], tf.bool, name="source_padding_mask")
    return rows


def loop_function(checkpoint: Checkpoint) -> Callable[[Tensors], Tensors]:
    """Return the loop: the inputs of `loop_specs` -> by name

    written: int32 (B, N), the new tokens, the end included, and zeros; N is the largest of max_new_tokens.
    lengths: int32 (B,), how many there are.
    log_probabilities: float32 (B,), of them together.
    """
    model, language = checkpoint.model, vocabularies_of(checkpoint).language
    loop = GreedyLoop(model)
    is_end, is_never = np.zeros((2, checkpoint.config.vocabulary_size), np.float32)
    is_end[list(language.end_ids)] = 1
    is_never[list(language.never_ids)] = 1

    def write(inputs: Tensors) -> Tensors:
        batch_size, width = tf.unstack(tf.shape(inputs["token_ids"]))
        longest = tf.reduce_max(inputs["max_new_tokens"])
        source = {}
        if checkpoint.task == "seq2seq":
            mask = inputs["source_padding_mask"]
            source = {"sources": model.encode(inputs["source_token_ids"], mask), "source_padding_mask": mask}
        written, log_probabilities, lengths = loop.write(
            {
                "token_ids": inputs["token_ids"],
                "positions": inputs["positions"],
                "cache": model.initial_cache(batch_size, width + longest),
                "source": source,
                "written": tf.zeros([batch_size, longest], tf.int32),
                "room": inputs["max_new_tokens"],
                "min_new_tokens": tf.constant(0),
                "is_end": tf.constant(is_end),
                "is_never": tf.constant(is_never),
            }
        )
        return {"written": written, "lengths": lengths, "log_probabilities": log_probabilities}

    return write
