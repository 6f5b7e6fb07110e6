"""Where an answer may stand, and the best of all places: against plain loops in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from layer_contract import array

from kerastx.layers.span_logits import MASKED_LOGIT, NO_SPAN, BestSpans, SpanLogits, context_mask

SEPARATOR = 3
# [CLS] q q [SEP] c c c [SEP] and a longer context; 0 pads.
TOKEN_IDS = np.array([[2, 7, 8, 3, 9, 9, 7, 3, 0, 0], [2, 7, 3, 9, 9, 9, 9, 9, 9, 3]], "int32")
PADDING_MASK = TOKEN_IDS > 0


def logits_of(seed=1, shape=(2, 10, 2)):
    return np.random.default_rng(seed).normal(0, 4, shape).astype("float32")


def test_the_context_is_what_stands_between_separators():
    found = array(context_mask(TOKEN_IDS, PADDING_MASK, separator_id=SEPARATOR, separators=1))
    assert [np.flatnonzero(row).tolist() for row in found] == [[4, 5, 6], [3, 4, 5, 6, 7, 8]]
    doubled = np.array([[2, 7, 3, 3, 9, 9, 3, 0]], "int32")  # RoBERTa's: <s> q </s></s> c </s>
    found = array(context_mask(doubled, doubled > 0, separator_id=SEPARATOR, separators=2))
    assert np.flatnonzero(found[0]).tolist() == [4, 5]


def test_logits_outside_of_the_context_are_masked():
    logits = logits_of()
    start, end = map(array, SpanLogits(SEPARATOR, 1)(logits, TOKEN_IDS, PADDING_MASK))
    inside = np.zeros((2, 10), bool)
    inside[:, 0] = inside[0, 4:7] = inside[1, 3:9] = True
    np.testing.assert_allclose(start, np.where(inside, logits[..., 0], MASKED_LOGIT), atol=1e-6)
    np.testing.assert_allclose(end, np.where(inside, logits[..., 1], MASKED_LOGIT), atol=1e-6)


def test_padding_changes_nothing():
    logits, longer = logits_of(), np.zeros((2, 16, 2), "float32")
    longer[:, :10] = logits
    longer[:, 10:] = 99.0
    ids = np.pad(TOKEN_IDS, ((0, 0), (0, 6)))
    layer, search = SpanLogits(SEPARATOR, 1), BestSpans(4, 3)
    short = search(*layer(logits, TOKEN_IDS, PADDING_MASK))
    padded = search(*layer(longer, ids, ids > 0))
    for name, values in short.items():
        np.testing.assert_array_equal(array(values), array(padded[name]))


@pytest.mark.parametrize("max_length", [1, 2, 5, 30])
def test_the_best_spans_are_those_of_a_search_through_all(max_length):
    count = min(7, max_length)
    start, end = map(array, SpanLogits(SEPARATOR, 1)(logits_of(4), TOKEN_IDS, PADDING_MASK))
    found = {name: array(values) for name, values in BestSpans(max_length, count)(start, end).items()}
    for row, context in enumerate([range(4, 7), range(3, 9)]):
        spans = [(start[row, s] + end[row, e], s, e) for s in context for e in context if s <= e < s + max_length]
        best = sorted(spans, reverse=True)[:count]
        np.testing.assert_allclose(found["scores"][row, : len(best)], [score for score, _, _ in best], atol=1e-5)
        assert list(zip(found["starts"][row], found["ends"][row], strict=True))[: len(best)] == [
            (s, e) for _, s, e in best
        ]
        assert (found["scores"][row, len(best) :] == NO_SPAN).all()
        np.testing.assert_allclose(found["null_score"][row], [start[row, 0] + end[row, 0]], atol=1e-5)
    assert (found["starts"].dtype, found["ends"].dtype) == (np.int32, np.int32)


def test_random_rows_against_a_search_through_all():
    random = np.random.default_rng(7)
    for length in (1, 2, 9, 40):
        start, end = random.normal(0, 3, (2, 5, length)).astype("float32")
        found = {name: array(values) for name, values in BestSpans(6, 4)(start, end).items()}
        for row in range(5):
            scores = [start[row, s] + end[row, e] for s in range(1, length) for e in range(s, min(length, s + 6))]
            best = np.sort(np.array(scores, "float32"))[::-1][:4]
            np.testing.assert_allclose(found["scores"][row, : len(best)], best, atol=1e-5)
            at = start[row, found["starts"][row, : len(best)]] + end[row, found["ends"][row, : len(best)]]
            np.testing.assert_allclose(at, best, atol=1e-5)


def test_layers_are_saved_and_stay_in_float32(tmp_path):
    ids, mask = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="bool")
    logits = keras.Input((None, 2))
    start, end = SpanLogits(SEPARATOR, 1, name="a")(logits, ids, mask)
    model = keras.Model([logits, ids, mask], BestSpans(4, 3, name="b")(start, end))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = model([logits_of(), TOKEN_IDS, PADDING_MASK])
    for name, values in loaded([logits_of(), TOKEN_IDS, PADDING_MASK]).items():
        np.testing.assert_array_equal(array(values), array(expected[name]))
    assert [layer.compute_dtype for layer in (loaded.get_layer("a"), loaded.get_layer("b"))] == ["float32"] * 2
    assert SpanLogits(SEPARATOR, 1).compute_output_shape((None, None, 2)) == ((None, None), (None, None))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="at least one before the context"):
        SpanLogits(3, 0)
    with pytest.raises(ValueError, match="expected a count of 1 to 4, got 5"):
        BestSpans(4, 5)
