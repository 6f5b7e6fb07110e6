"""The words that a masked language model finds for the masks of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from keras import ops

from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import CheckpointError

MASKED_TASKS = ("masked_lm", "pretraining")
WORDS_PER_MASK = 5


@dataclass(frozen=True)
class MaskedWord:
    """A word for a mask.

    Attributes:
        token: as it stands in the vocabulary.
        probability: among all tokens.
    """

    token: str
    probability: float


def fill_masks(
    checkpoint: Checkpoint, texts: Sequence[str], *, count: int = WORDS_PER_MASK
) -> list[list[list[MaskedWord]]]:
    """Return the `count` most probable words, best first, for every mask ("[MASK]" or "<mask>") of each text.

    Raises:
        CheckpointError: a text has no mask, or it is cut off.
    """
    return [_fill(checkpoint, text, count) for text in texts]


def _fill(checkpoint: Checkpoint, text: str, count: int) -> list[list[MaskedWord]]:
    tokenizer = checkpoint.tokenizer
    encoding = tokenizer.encode_masked(text, max_length=checkpoint.max_length)
    positions = np.flatnonzero(encoding.token_ids == tokenizer.mask_id).astype(np.int32)
    if not len(positions):
        raise CheckpointError(
            f"a {checkpoint.task} checkpoint finds words for masks: expected {tokenizer.token(tokenizer.mask_id)} "
            f"in the first {checkpoint.max_length} tokens of the text, found none; for another task fine-tune it first"
        )
    inputs = {**tokenizer.pad([encoding]), "masked_positions": positions[None]}
    logits = checkpoint.model.predict_on_batch(inputs)["masked_lm"][0, :, : tokenizer.vocabulary_size]
    probabilities = ops.convert_to_numpy(ops.softmax(logits, axis=-1))
    best = np.argsort(-probabilities, axis=-1, kind="stable")[:, :count]
    return [
        [MaskedWord(tokenizer.token(int(index)), float(row[index])) for index in order]
        for row, order in zip(probabilities, best, strict=True)
    ]
