"""Texts are cut where a character ends."""

from __future__ import annotations

import numpy as np
import pytest
from graph_tokens import padded
from layer_contract import array

from kerastx.layers.utf8 import cut_bytes


@pytest.mark.parametrize("budget", range(3, 14))
def test_a_cut_leaves_whole_characters(budget):
    texts = ["aé€😀é", "😀😀😀", "abc", "", "€€€€€", "ééééééé"]
    found, is_cut = cut_bytes(padded(texts, 21).astype(np.int32), budget)
    whole = [text.encode()[:budget].decode("utf-8", "ignore") for text in texts]
    assert (array(found) == padded(whole, 21)[:, :budget]).all()
    assert array(is_cut)[:, 0].tolist() == [len(text.encode()) > budget for text in texts]


def test_short_texts_stay_as_they_are():
    rows = padded(["aé"], 4).astype(np.int32)
    found, is_cut = cut_bytes(rows, 30)
    assert array(found).tolist() == rows.tolist()
    assert not array(is_cut).any()
