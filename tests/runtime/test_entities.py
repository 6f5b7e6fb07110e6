"""From tokens to entities, also where a token covers several units."""

from __future__ import annotations

import numpy as np
import pytest
import tokenizers
from text_backends import ALBERT
from tokenizers import models, pre_tokenizers, processors

from kerastx.data.tagged import TaggedData, TaggedSentence
from kerastx.data.tagging import tagged_windows
from kerastx.runtime.entities import entities_in, tag_units
from kerastx.text.tags import bio_tags
from kerastx.text.tokenizer import Tokenizer

TAGS = bio_tags(["L"])


@pytest.fixture(scope="module")
def merging():
    """A vocabulary in which 東京 is one piece and a unit each of its characters."""
    pieces = [(token, 0.0) for token in ALBERT] + [("▁", -2.0), ("東京", -1.0), ("東", -5.0), ("京", -5.0), ("a", -3.0)]
    backend = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=ALBERT.index("<unk>")))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    ids = [(token, backend.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    return Tokenizer(backend)


def test_a_token_over_several_units_has_the_tag_of_the_first(merging):
    encoding = merging.encode("a東京")
    assert "東京" in encoding.tokens
    data = TaggedData([TaggedSentence(("a", "東", "京"), ("O", "B-L", "I-L"), 1)], ("L",))
    (window,) = tagged_windows(data, merging, max_length=16)
    tags = dict(zip(encoding.tokens, window.tags, strict=True))
    assert tags["東京"] == TAGS.index("B-L")


@pytest.mark.parametrize(("probabilities", "found"), [((0.02, 0.97, 0.01), ["東京"]), ((0.97, 0.02, 0.01), [])])
def test_units_of_one_token_are_one_entity(merging, probabilities, found):
    def answer(encodings):
        rows = [np.tile(np.float32([1.0, 0.0, 0.0]), (len(encoding), 1)) for encoding in encodings]
        for encoding, row in zip(encodings, rows, strict=True):
            row[encoding.tokens.index("東京")] = probabilities
        return rows

    text = "a東京"
    (units,) = tag_units([text], merging, TAGS, max_length=16, token_probabilities=answer)
    assert len(units.spans) == len(units.tags) == len(units.probabilities) == 3
    entities = entities_in(text, units, TAGS)
    assert [entity.text for entity in entities] == found
    assert all(entity.probability == pytest.approx(0.97) for entity in entities)


def test_a_text_without_units(merging):
    (units,) = tag_units(
        [" "], merging, TAGS, max_length=16, token_probabilities=lambda rows: [np.zeros((len(r), 3)) for r in rows]
    )
    assert (len(units.spans), len(units.tags), len(units.probabilities)) == (0, 0, 0)
