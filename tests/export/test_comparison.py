"""What files are compared on, and what Keras answers to it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kerastx.data.labelled import LabelledData
from kerastx.errors import DataError
from kerastx_export.comparison import Comparison
from kerastx_export.probe_texts import probe_texts


@pytest.fixture(scope="module")
def comparison(small):
    return Comparison(small)


def test_probabilities_are_those_of_each_text_alone(small, comparison):
    assert comparison.texts == probe_texts()
    assert comparison.targets is None
    for row in (0, 5, 30, 100, len(comparison.texts) - 1):
        encoding = small.tokenizer.encode(comparison.texts[row], max_length=small.max_length)
        assert comparison.lengths[row] == len(encoding)
        logits = small.model(small.tokenizer.pad([encoding]), training=False)["logits"].numpy()[0]
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(comparison.outputs["probabilities"][row], expected, atol=1e-5, err_msg=str(row))


def test_steps_cover_every_kind_of_input(small, comparison):
    shapes = set()
    for probe, answers in comparison.steps:
        rows, length = probe.inputs["token_ids"].shape
        shapes.add((rows, length))
        assert answers["logits"].shape == (rows, 3)
        assert probe.inputs["padding_mask"].any(axis=1).all()
        assert probe.inputs["token_ids"].max() < small.config.vocabulary_size
    longest = small.config.max_sequence_length
    assert {(1, 1), (3, 1), (1, longest), (2, longest), (1, small.max_length), (16, small.max_length)} <= shapes
    padded = [probe for probe, _ in comparison.steps if not probe.inputs["padding_mask"].all()]
    assert len(padded) >= 3
    assert any(probe.inputs["segment_ids"].any() for probe, _ in comparison.steps)


def test_the_same_checkpoint_is_asked_the_same(small, comparison):
    again = Comparison(small)
    for (first, expected), (second, found) in zip(comparison.steps, again.steps, strict=True):
        assert first.name == second.name
        for name in first.inputs:
            np.testing.assert_array_equal(first.inputs[name], second.inputs[name])
        np.testing.assert_array_equal(expected["logits"], found["logits"])


def test_labels_are_numbered_as_the_model_does(small):
    rows = LabelledData.of(["a", "b", "c"], ["hot", "cold", "hot"])  # which numbers cold 0 and hot 1
    found = Comparison(small, rows)
    assert found.targets.tolist() == [2, 0, 2]
    assert found.source == "3 labelled rows"


def test_rows_that_do_not_fit_are_refused(small):
    rows = LabelledData.of(["a", "b"], ["hot", "dry"])
    with pytest.raises(DataError, match=r"^the rows have the label 'dry', the model knows cold, mild, hot$"):
        Comparison(small, rows)
    with pytest.raises(DataError, match=r"^there are no labelled rows to compare on$"):
        Comparison(small, dataclasses.replace(rows, texts=[], labels=[], targets=rows.targets[:0]))


def test_pairs_are_compared_on_pairs_of_every_kind(make_checkpoint):
    checkpoint = make_checkpoint(num_layers=1, pair=True)
    found = Comparison(checkpoint)
    assert len(found.texts) == len(found.pairs) == len(found.lengths)
    assert found.source == f"{len(found.texts)} unlabelled pairs of our own"
    assert sum(not pair for pair in found.pairs) > 10
    assert min(len(found.texts[-1]), len(found.pairs[-2])) > 1000  # both long
    encodings = checkpoint.tokenizer.encode_batch(found.texts, found.pairs, max_length=checkpoint.max_length)
    assert found.lengths == [len(encoding) for encoding in encodings]
    assert any(probe.name.startswith("a pair of ") for probe, _ in found.steps)
    logits = checkpoint.model(checkpoint.tokenizer.pad(encodings[5:6]), training=False)["logits"].numpy()
    np.testing.assert_allclose(found.outputs["logits"][5:6], logits, atol=1e-5)
