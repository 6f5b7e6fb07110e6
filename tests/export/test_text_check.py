"""Whatever a tokenizer in a file answers otherwise than the library ends in one line that shows the text."""

from __future__ import annotations

import numpy as np
import pytest
from small_classifier import small_classifier

from kerastx.errors import ExportError
from kerastx_export import text_check

TEXTS = ["", "the cat sat on the old mat"]


def answers(checkpoint, **changes):
    """A function that answers as the library does, but for some changes."""
    encodings = iter(checkpoint.tokenizer.encode_batch(TEXTS, max_length=checkpoint.max_length))

    def tokenize(*, text):
        encoding, (given,) = next(encodings), [bytes(text[0]).rstrip(b"\0").decode()]
        begins, ends = text_check.byte_offsets(checkpoint, [given], encoding).T
        found = {**checkpoint.tokenizer.pad([encoding]), "begins": begins[None], "ends": ends[None]}
        return {**found, "is_cut": np.array([[False]])} | {name: change(found) for name, change in changes.items()}

    return tokenize


def test_what_is_right_passes():
    checkpoint = small_classifier()
    text_check._check(answers(checkpoint), 96, TEXTS, checkpoint)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"token_ids": lambda found: found["token_ids"][:, :2]}, "token_ids"),
        ({"token_ids": lambda found: found["token_ids"] + 1}, "token_ids"),
        ({"segment_ids": lambda found: 1 - found["segment_ids"]}, "segment_ids"),
        ({"padding_mask": lambda found: ~found["padding_mask"]}, "padding_mask"),
        ({"ends": lambda found: found["ends"] + 1}, "bytes"),
        ({"is_cut": lambda found: np.array([[True]])}, "is_cut"),
    ],
)
def test_what_differs_is_named(changes, name):
    checkpoint = small_classifier()
    with pytest.raises(
        ExportError, match=rf"has other {name} than the tokenizer for \['.*'\]; export with --input ids"
    ):
        text_check._check(answers(checkpoint, **changes), 96, TEXTS, checkpoint)
