from __future__ import annotations

import numpy as np
import pytest

from kerastx.data import sentence_pairs
from kerastx.data.sentence_pairs import anchors_of, has_validation, num_pairs, pair_batch
from kerastx.data.splits import held_back_documents
from kerastx.errors import DataError

FIRST_ID = 5  # the token at position p of a numbered store has the id p + 5


def rows(store, *, seed=1, steps=30, batch_size=16, max_length=64, split="train"):
    """Yield (A, B, label) of many examples, A and B as positions in the token stream."""
    for step in range(steps):
        batch = pair_batch(store, seed, step, batch_size=batch_size, max_length=max_length, split=split)
        for row in range(batch_size):
            real = batch["padding_mask"][row]
            ids = batch["token_ids"][row][real]
            segments = batch["segment_ids"][row][real]
            assert ids[0] == store.tokenizer.cls_id
            middle = int(np.argmax(segments))
            assert ids[middle - 1] == ids[-1] == store.tokenizer.sep_id
            yield ids[1 : middle - 1] - FIRST_ID, ids[middle:-1] - FIRST_ID, int(batch["nsp_labels"][row])


def document_of(store, positions):
    """Return the one document that all token positions lie in."""
    sentence = np.searchsorted(store.sentences, positions, "right") - 1
    documents = set(np.searchsorted(store.documents, sentence, "right") - 1)
    assert len(documents) == 1
    return documents.pop()


def test_a_true_continuation_is_adjacent_and_a_random_one_comes_from_another_document(numbered_store):
    labels = []
    for first, second, label in rows(numbered_store):
        assert len(first) >= 1
        assert len(second) >= 1
        np.testing.assert_array_equal(np.diff(first), 1)  # each side is running text
        np.testing.assert_array_equal(np.diff(second), 1)
        if label == 0:
            assert second[0] == first[-1] + 1
        assert (document_of(numbered_store, first) == document_of(numbered_store, second)) == (label == 0)
        labels.append(label)
    assert len(labels) == 480
    assert abs(np.mean(labels) - 0.5) < 0.08  # 3.5 standard deviations


def test_both_sides_meet_at_a_sentence_boundary(numbered_store):
    begins = set(numbered_store.sentences)
    for first, second, _ in rows(numbered_store, steps=10):
        assert first[-1] + 1 in begins  # A is cut at its front, B at its end
        assert second[0] in begins


def test_lengths_padding_and_segments(numbered_store):
    batch = pair_batch(numbered_store, 3, 5, batch_size=64, max_length=48)
    assert {name: (value.dtype, value.shape) for name, value in batch.items()} == {
        "token_ids": (np.int32, (64, 48)),
        "segment_ids": (np.int32, (64, 48)),
        "padding_mask": (bool, (64, 48)),
        "nsp_labels": (np.int32, (64,)),
        "documents": (np.int64, (64, 2)),
    }
    lengths = batch["padding_mask"].sum(1)
    np.testing.assert_array_equal(batch["padding_mask"], np.arange(48) < lengths[:, None])
    assert (batch["token_ids"][~batch["padding_mask"]] == numbered_store.tokenizer.pad_id).all()
    assert (batch["segment_ids"][~batch["padding_mask"]] == 0).all()
    assert ((batch["token_ids"] == numbered_store.tokenizer.sep_id).sum(1) == 2).all()
    assert lengths.max() == 48


def test_the_same_arguments_give_the_same_batch_and_others_give_another(numbered_store):
    def batch(seed, step):
        return pair_batch(numbered_store, seed, step, batch_size=8, max_length=32)["token_ids"]

    first = batch(1, 7)
    batch(1, 8)
    np.testing.assert_array_equal(batch(1, 7), first)
    assert (batch(2, 7) != first).any()
    assert (batch(1, 8) != first).any()


def test_batches_do_not_depend_on_how_examples_are_grouped(numbered_store):
    one = pair_batch(numbered_store, 1, 1, batch_size=8, max_length=32)
    halves = [pair_batch(numbered_store, 1, step, batch_size=4, max_length=32) for step in (2, 3)]
    for name in one:
        np.testing.assert_array_equal(one[name], np.concatenate([half[name] for half in halves]))


def test_the_values_are_fixed_for_ever(make_numbered_store):
    """A resumed run must find its batches again in a later version: a change here breaks every checkpoint."""
    store = make_numbered_store([[3, 5, 4, 6]] * 30)
    batch = pair_batch(store, 11, 3, batch_size=4, max_length=16)
    assert batch["token_ids"].tolist() == [
        [2, 175, 176, 177, 178, 3, 179, 180, 181, 182, 183, 184, 3, 0, 0, 0],
        [2, 437, 438, 439, 3, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 3],
        [2, 481, 482, 483, 484, 3, 485, 486, 487, 488, 489, 490, 3, 0, 0, 0],
        [2, 337, 338, 339, 340, 3, 341, 342, 343, 344, 345, 346, 3, 0, 0, 0],
    ]
    assert batch["nsp_labels"].tolist() == [0, 1, 0, 0]


def test_an_epoch_visits_every_anchor_once_and_each_epoch_in_another_order(numbered_store, monkeypatch):
    monkeypatch.setattr(sentence_pairs, "SHORT_PROBABILITY", 0.0)
    count = num_pairs(numbered_store)
    sentence_starts = {}
    for epoch in (0, 1):
        found = []
        for step in range(epoch * count, (epoch + 1) * count):
            # With room for everything A is never cut, so it begins at its anchor.
            batch = pair_batch(numbered_store, 1, step, batch_size=1, max_length=1000)
            found.append(int(batch["token_ids"][0, 1]) - FIRST_ID)
        sentence_starts[epoch] = found
    held_back = held_back_documents(numbered_store)
    expected = [
        int(numbered_store.sentences[sentence])
        for document, (begin, end) in enumerate(
            zip(numbered_store.documents, numbered_store.documents[1:], strict=False)
        )
        for sentence in range(begin, end - 1)
        if not held_back[document]
    ]
    assert sorted(sentence_starts[0]) == sorted(sentence_starts[1]) == expected
    assert sentence_starts[0] != sentence_starts[1]


def test_one_sentence_documents_give_no_pair(make_numbered_store):
    store = make_numbered_store([[5], [3, 4], [7], [2, 2, 2], [9]])
    assert num_pairs(store) == 3
    single = {0, 2, 4}
    for first, second, _ in rows(store, steps=8):
        assert document_of(store, first) not in single
        assert document_of(store, second) not in single


def test_every_example_of_two_long_sentences_is_cut_to_the_length(make_numbered_store):
    store = make_numbered_store([[300, 300], [300, 300]])
    full = [
        (first, second) for first, second, _ in rows(store, steps=20, max_length=20) if len(first) + len(second) == 17
    ]
    assert len(full) > 200  # the others were made short on purpose
    for first, second in full:
        assert (len(first), len(second)) == (9, 8)


def test_truncation_takes_from_the_longer_side(make_numbered_store, monkeypatch):
    monkeypatch.setattr(sentence_pairs, "SHORT_PROBABILITY", 0.0)
    store = make_numbered_store([[50, 4], [50, 4]])
    true = [(first, second) for first, second, label in rows(store, steps=5, max_length=27) if label == 0]
    assert true
    for first, second in true:
        assert (len(first), len(second)) == (20, 4)


def test_some_examples_are_shorter_on_purpose(make_numbered_store):
    store = make_numbered_store([[10] * 400, [10] * 400])
    lengths = np.array([len(first) + len(second) for first, second, _ in rows(store, steps=60, max_length=128)])
    short = (lengths < 125).mean()
    assert 0.06 < short < 0.14
    assert lengths.min() >= 16


def test_the_length_does_not_tell_the_label(numbered_store):
    drawn = [
        (len(first) + len(second), label) for first, second, label in rows(numbered_store, steps=150, max_length=128)
    ]
    lengths, labels = np.array(drawn).T
    true, random = lengths[labels == 0], lengths[labels == 1]
    longer = (true[:, None] > random).mean() + 0.5 * (true[:, None] == random).mean()  # area under the ROC curve
    assert abs(longer - 0.5) < 0.06


def test_validation_holds_whole_documents_back(make_numbered_store):
    store = make_numbered_store([[3, 3, 3]] * 600)
    assert has_validation(store)
    train = {document_of(store, first) for first, _, _ in rows(store, steps=200)}
    held_back = {document_of(store, first) for first, _, _ in rows(store, steps=10, split="validation")}
    assert 2 <= len(held_back) <= 20
    assert not train & held_back
    assert num_pairs(store) + num_pairs(store, "validation") == 1200
    for first, second, _ in rows(store, steps=10, split="validation"):
        assert {document_of(store, first), document_of(store, second)} <= held_back


def test_a_small_store_trains_on_everything(make_numbered_store):
    store = make_numbered_store([[3, 3]] * 20)
    assert not has_validation(store)
    assert num_pairs(store) == 20
    with pytest.raises(DataError, match="too few for validation"):
        pair_batch(store, 0, 0, batch_size=2, max_length=32, split="validation")


@pytest.mark.parametrize("documents", [[[3], [4]], [[3, 3, 3]], [[3, 3], [2]]])
def test_pairs_need_two_documents_of_two_sentences(make_numbered_store, documents):
    store = make_numbered_store(documents)
    with pytest.raises(DataError, match="at least two documents of two sentences.*--documents"):
        anchors_of(store, "train")


def test_wrong_arguments(numbered_store):
    with pytest.raises(ValueError, match="max_length must be at least 8, got 7"):
        pair_batch(numbered_store, 0, 0, batch_size=2, max_length=7)
    with pytest.raises(ValueError, match="split must be train or validation, got 'dev'"):
        pair_batch(numbered_store, 0, 0, batch_size=2, max_length=32, split="dev")


def test_far_steps_work(numbered_store):
    batch = pair_batch(numbered_store, 2**31, 2**40 - 1, batch_size=32, max_length=32)
    assert batch["padding_mask"].any(1).all()


def test_the_smallest_length_keeps_a_token_of_each_side(numbered_store):
    for first, second, _ in rows(numbered_store, steps=10, max_length=8):
        assert 2 <= len(first) + len(second) <= 5


def test_the_documents_of_a_pair_are_named(numbered_store):
    """The numbered store holds each token once, so a token says which document it comes from."""
    first_tokens = numbered_store.sentences[numbered_store.documents[:-1]]
    batch = pair_batch(numbered_store, 3, 5, batch_size=64, max_length=48)
    for ids, segments, mask, label, documents in zip(
        *(batch[name] for name in ("token_ids", "segment_ids", "padding_mask", "nsp_labels", "documents")), strict=True
    ):
        offset = numbered_store.tokens[0]
        of_first = ids[1] - offset
        of_second = ids[mask & (segments == 1)][0] - offset
        found = np.searchsorted(first_tokens, [of_first, of_second], "right") - 1
        np.testing.assert_array_equal(found, documents)
        assert (documents[0] == documents[1]) == (label == 0)
