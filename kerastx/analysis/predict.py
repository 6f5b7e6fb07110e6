"""A Keras checkpoint's answers to texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras import ops

from kerastx.checkpoint.store import Checkpoint


def predict_probabilities(checkpoint: Checkpoint, texts: Sequence[str], *, batch_size: int = 32) -> np.ndarray:
    """Return float32 (N, C): class probabilities of each text, in order. Texts of like length run together."""
    tokenizer = checkpoint.tokenizer
    encodings = tokenizer.encode_batch(list(texts), max_length=checkpoint.max_length)
    order = sorted(range(len(encodings)), key=lambda row: len(encodings[row].token_ids))
    result = np.zeros((len(encodings), len(checkpoint.labels)), "float32")
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        longest = len(encodings[rows[-1]].token_ids)
        width = min(longest + -longest % 8, checkpoint.config.max_sequence_length)
        inputs = tokenizer.pad([encodings[row] for row in rows], length=width)
        logits = checkpoint.model.predict_on_batch(inputs)["logits"]
        result[rows] = ops.convert_to_numpy(ops.softmax(logits, axis=-1))
    return result
