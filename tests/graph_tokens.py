"""What a layer that tokenizes bytes answers, beside what the tokenizer says."""

from __future__ import annotations

import numpy as np
from layer_contract import array


def padded(texts, size):
    """UTF-8 rows, uint8 (N, size), zeros behind each text."""
    rows = np.zeros((len(texts), size), np.uint8)
    for row, text in zip(rows, texts, strict=True):
        content = text.encode()
        row[: len(content)] = np.frombuffer(content, np.uint8)
    return rows


def check_tokens(tokenizer, layer, texts, size):
    """Ids, how many, and the bytes of each, are those of the tokenizer."""
    most = layer.max_tokens
    found = {name: array(values) for name, values in layer(padded(texts, size)).items()}
    for row, (text, expected) in enumerate(zip(texts, tokenizer.encode_batch(texts), strict=True)):
        ids, offsets = expected.token_ids[1:-1], expected.offsets[1:-1]
        assert found["counts"][row, 0] == min(len(ids), most + 1), text
        count = min(len(ids), most)
        assert found["token_ids"][row].tolist() == [*ids[:count], *[0] * (most - count)], text
        byte_of = np.cumsum([0, *(len(character.encode()) for character in text)])
        spans = np.stack([found["begins"][row], found["ends"][row]], axis=1)
        assert spans[:count].tolist() == byte_of[offsets[:count]].tolist(), text
        assert not spans[count:].any()
