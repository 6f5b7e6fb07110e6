"""A Keras tagger's answers: entities of texts, and tags of words that are given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras import ops

from kerastx.checkpoint.store import Checkpoint
from kerastx.runtime.entities import Entity, TaggedUnits, entities_in, tag_units
from kerastx.text.encoding import Encoding
from kerastx.text.tags import bio_tags

BATCH_ROWS = 32


def find_entities(checkpoint: Checkpoint, texts: Sequence[str]) -> list[list[Entity]]:
    """Return the entities of each text."""
    tags = bio_tags(checkpoint.labels)
    return [entities_in(text, units, tags) for text, units in zip(texts, tagged(checkpoint, texts), strict=True)]


def tagged(checkpoint: Checkpoint, texts: Sequence[str]) -> list[TaggedUnits]:
    """Return the units of each text with their tags."""
    return tag_units(
        texts,
        checkpoint.tokenizer,
        bio_tags(checkpoint.labels),
        max_length=checkpoint.max_length,
        token_probabilities=lambda encodings: token_probabilities(checkpoint, encodings),
    )


def token_probabilities(checkpoint: Checkpoint, encodings: list[Encoding]) -> list[np.ndarray]:
    """Return the probabilities of the tags of each token of each encoding, float32 (L, C) each."""
    found: list[np.ndarray] = [np.zeros(0)] * len(encodings)
    order = sorted(range(len(encodings)), key=lambda row: len(encodings[row]))
    for start in range(0, len(order), BATCH_ROWS):
        rows = order[start : start + BATCH_ROWS]
        longest = len(encodings[rows[-1]])
        width = min(longest + -longest % 8, checkpoint.config.max_sequence_length)
        inputs = checkpoint.tokenizer.pad([encodings[row] for row in rows], length=width)
        logits = checkpoint.model.predict_on_batch(inputs)["logits"]
        probabilities = ops.convert_to_numpy(ops.softmax(logits, axis=-1))
        for place, row in enumerate(rows):
            found[row] = probabilities[place, : len(encodings[row])]
    return found
