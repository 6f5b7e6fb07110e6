"""The entities that a checkpoint finds in tagged sentences, scored."""

from __future__ import annotations

from kerastx.analysis.entity_scores import entity_scores, word_tags
from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tagging import tagged
from kerastx.data.tagged import TaggedData, joined


def tagger_scores(checkpoint: Checkpoint, data: TaggedData) -> dict[str, float]:
    """Return f1, precision and recall of the entities in sentences whose words the checkpoint has not seen apart."""
    units = tagged(checkpoint, [joined(sentence.words)[0] for sentence in data.sentences])
    found = [word_tags(sentence, one, data.tags) for sentence, one in zip(data.sentences, units, strict=True)]
    return entity_scores(data, found)
