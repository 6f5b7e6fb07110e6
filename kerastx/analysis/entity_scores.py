"""How well entities are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kerastx.data.tagged import TaggedData, TaggedSentence, joined
from kerastx.runtime.entities import TaggedUnits
from kerastx.text.tags import OUTSIDE, entities


def tagger_scores(tag: Callable[[list[str]], list[TaggedUnits]], data: TaggedData) -> dict[str, float]:
    """Return `entity_scores` of what `tag` finds in the sentences as plain texts."""
    units = tag([joined(sentence.words)[0] for sentence in data.sentences])
    found = [word_tags(sentence, one, data.tags) for sentence, one in zip(data.sentences, units, strict=True)]
    return entity_scores(data, found)


def word_tags(sentence: TaggedSentence, units: TaggedUnits, tags: Sequence[str]) -> list[str]:
    """Return the tag of each word of a sentence whose text was tagged: that of the unit its first character is in."""
    _, spans = joined(sentence.words)
    found: list[str] = []
    unit, used = 0, -1
    for start, _ in spans:
        while unit < len(units.spans) and units.spans[unit][1] <= start:
            unit += 1
        if unit == len(units.spans) or units.spans[unit][0] > start:
            found.append(OUTSIDE)  # a word of what no tokenizer reads
            continue
        tag = tags[units.tags[unit]]
        # A second word inside of the same unit goes on with its entity.
        found.append(f"I-{tag[2:]}" if unit == used and tag != OUTSIDE else tag)
        used = unit
    return found


def entity_scores(expected: TaggedData, found: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return precision, recall and F1 of whole entities, type and both ends right, over all sentences (micro average).

    Equal to seqeval's default. 0 where nothing is found or there is nothing to find.

    Args:
        expected: the sentences.
        found: tags in the BIO scheme for the words of each.
    """
    right, given, wanted = (sum(column) for column in zip(*entity_counts(expected, found), strict=True))
    precision, recall = right / max(given, 1), right / max(wanted, 1)
    return {"f1": 2 * right / max(given + wanted, 1), "precision": precision, "recall": recall}


def entity_counts(expected: TaggedData, found: Sequence[Sequence[str]]) -> list[tuple[int, int, int]]:
    """Return for each sentence how many entities are right, how many were given, and how many there are."""
    counts = []
    for sentence, tags in zip(expected.sentences, found, strict=True):
        one, other = set(entities(sentence.tags)), set(entities(tags))
        counts.append((len(one & other), len(other), len(one)))
    return counts
