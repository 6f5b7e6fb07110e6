"""Templates filled by tensor operations are those of the tokenizer: one text, pairs, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from layer_contract import array
from text_backends import VARIED, unigram_backend, wordpiece_backend

from kerastx.layers.assemble_tokens import AssembleTokens
from kerastx.text.tokenizer import Tokenizer

MOST = 400


@pytest.fixture(scope="module", params=[wordpiece_backend, unigram_backend])
def tokenizer(request):
    return Tokenizer(request.param())


def tokens(tokenizer, texts):
    """What a layer that tokenizes would answer."""
    encodings = tokenizer.encode_batch(texts)
    inner = [
        np.flatnonzero(~np.isin(one.token_ids, tokenizer.special_ids) | (one.offsets[:, 1] > 0)) for one in encodings
    ]
    found = {name: np.zeros((len(texts), MOST), np.int32) for name in ("token_ids", "begins", "ends")}
    for row, (encoding, places) in enumerate(zip(encodings, inner, strict=True)):
        found["token_ids"][row, : len(places)] = encoding.token_ids[places]
        found["begins"][row, : len(places)], found["ends"][row, : len(places)] = encoding.offsets[places].T
    return {**found, "counts": np.array([[len(places)] for places in inner], np.int32)}


@pytest.mark.parametrize("max_length", [5, 6, 9, 10, 33, 300])
@pytest.mark.parametrize("is_pair", [False, True])
def test_equal_to_the_tokenizer(tokenizer, max_length, is_pair):
    texts = [text for text in VARIED if len(text.strip()) > 1]
    pairs = texts[::-1] if is_pair else None
    slots = tokenizer.template.slots(is_pair=is_pair)
    if max_length - sum(slot.text is None for slot in slots) < 1:
        pytest.skip("the template alone is as long")
    layer = AssembleTokens(slots=slots, max_length=max_length, pad_id=tokenizer.pad_id)
    given = [tokens(tokenizer, some) for some in (texts, pairs) if some is not None]
    found = {name: array(values) for name, values in layer(*given).items()}
    encodings = tokenizer.encode_batch(texts, pairs, max_length=max_length)
    for name, values in tokenizer.pad(encodings, length=max_length).items():
        assert (found[name] == values).all(), name
    for row, encoding in enumerate(encodings):
        spans = np.stack([found["begins"][row], found["ends"][row]], axis=1)
        assert spans[: len(encoding)].tolist() == encoding.offsets.tolist()
        assert found["lengths"][row, 0] == len(encoding)
    whole = [len(encoding) for encoding in tokenizer.encode_batch(texts, pairs)]
    assert found["is_cut"][:, 0].tolist() == [length > max_length for length in whole]


def test_no_room():
    with pytest.raises(ValueError, match="max_length must leave room"):
        AssembleTokens(slots=[(None, 1, 0), (0, 0, 0)], max_length=1, pad_id=0)
