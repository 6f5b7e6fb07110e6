"""A checkpoint called on texts answers what its model does, in the order of the texts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kerastx.checkpoint.answering import predict
from kerastx.checkpoint.huggingface import load_huggingface
from kerastx.errors import CheckpointError

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
TEXTS = ["the cat", "a", "one two three four", "", "zzz zzz", "c a t s"]


def alone(checkpoint, text, pair=None):
    inputs = checkpoint.tokenizer.pad([checkpoint.tokenizer.encode(text, pair, max_length=checkpoint.max_length)])
    return checkpoint.model.predict_on_batch(inputs)


@pytest.mark.parametrize("pairs", [None, TEXTS[::-1]])
def test_each_text_answers_as_it_does_alone(pairs):
    checkpoint = load_huggingface(GOLDEN / "bert-classifier")
    found = predict(checkpoint, TEXTS, pairs, batch_size=2)
    for row, text in enumerate(TEXTS):
        logits = alone(checkpoint, text, pairs and pairs[row])["logits"][0]
        np.testing.assert_allclose(found["logits"][row], logits, atol=1e-5)
        probabilities = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(found["probabilities"][row], probabilities, atol=1e-5)


def test_labels_and_numbers_in_words():
    classifier = load_huggingface(GOLDEN / "bert-classifier")
    answer = classifier("the cat")
    logits = alone(classifier, "the cat")["logits"][0]
    assert answer.label == ("bad", "fair", "good")[logits.argmax()]
    assert classifier(TEXTS)[0].label == answer.label
    both = load_huggingface(GOLDEN / "bert-multi-label")
    expected = alone(both, "the cat")["logits"][0] > 0
    assert set(both("the cat").labels) == {
        name for name, is_right in zip(both.labels, expected, strict=True) if is_right
    }
    number = load_huggingface(GOLDEN / "bert-regression")
    assert number("the cat").score == pytest.approx(float(alone(number, "the cat")["score"][0, 0]), abs=1e-5)


def test_an_empty_second_text_is_a_pair_too():
    checkpoint = load_huggingface(GOLDEN / "bert-classifier")
    found = checkpoint("the cat", "").probabilities
    logits = alone(checkpoint, "the cat", "")["logits"][0].astype("float64")
    expected = np.exp(logits) / np.exp(logits).sum()
    assert [found[name] for name in checkpoint.labels] == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_text_and_several_pairs():
    with pytest.raises(TypeError, match="expected a string as the pair of one text, got list"):
        load_huggingface(GOLDEN / "bert-classifier")("a", ["b"])


@pytest.mark.parametrize(
    ("texts", "pairs", "error", "reason"),
    [
        (["a", "b"], "xy", TypeError, "expected a string or several, got str"),
        ("a", 5, TypeError, "expected a string as the pair of one text, got int"),
        (["a"], 5, TypeError, "expected a string or several, got int"),
        ([1], None, TypeError, "text 0 must be a string, got int"),
        (["a", "b"], ["x", None], TypeError, "pair 1 must be a string, got NoneType"),
        (b"a", None, TypeError, "expected a string or several, got bytes"),
        (None, None, TypeError, "expected a string or several, got NoneType"),
        (["a", "b"], ["x"], ValueError, "pairs must be as many as texts, got 1 and 2"),
        ([], ["x"], ValueError, "pairs must be as many as texts, got 1 and 0"),
    ],
)
def test_what_is_no_text_is_refused(texts, pairs, error, reason):
    checkpoint = load_huggingface(GOLDEN / "bert-classifier")
    with pytest.raises(error, match=reason):
        checkpoint(texts, pairs)


def test_words_for_masks_of_what_is_no_text():
    checkpoint = load_huggingface(GOLDEN / "bert-masked-lm")
    with pytest.raises(TypeError, match="text 1 must be a string, got int"):
        checkpoint(["a [MASK]", 1])


def test_any_iterable_of_texts_will_do():
    checkpoint = load_huggingface(GOLDEN / "bert-classifier")
    assert checkpoint(text for text in TEXTS) == checkpoint(TEXTS)
    assert checkpoint(iter(TEXTS), iter(TEXTS[::-1])) == checkpoint(TEXTS, TEXTS[::-1])


def test_a_checkpoint_of_pairs_asks_for_them():
    checkpoint = dataclasses.replace(load_huggingface(GOLDEN / "bert-classifier"), pair=True)
    with pytest.raises(ValueError, match="this checkpoint answers pairs of texts: give the second ones as pairs"):
        checkpoint(["a", "b"])
    with pytest.raises(ValueError, match="this checkpoint answers pairs of texts"):
        checkpoint("a")
    assert checkpoint("a", "b").label in checkpoint.labels


def test_no_texts():
    checkpoint = load_huggingface(GOLDEN / "bert-classifier")
    assert checkpoint([]) == []
    assert {name: value.shape for name, value in predict(checkpoint, []).items()} == {
        "logits": (0, 3),
        "probabilities": (0, 3),
    }


def test_a_task_without_answers():
    with pytest.raises(CheckpointError, match="checkpoint answers nothing; fine-tune it first: kerastx finetune"):
        load_huggingface(GOLDEN / "bert-model")("the cat")


@pytest.mark.parametrize(("name", "mask"), [("bert-pretraining", "[MASK]"), ("roberta-masked-lm", "<mask>")])
def test_words_for_masks(name, mask):
    checkpoint = load_huggingface(GOLDEN / name)
    found = checkpoint(f"a {mask} b {mask}")
    assert [len(words) for words in found] == [5, 5]
    encoding = checkpoint.tokenizer.encode_masked(f"a {mask} b {mask}")
    positions = np.flatnonzero(encoding.token_ids == checkpoint.tokenizer.mask_id)
    inputs = {**checkpoint.tokenizer.pad([encoding]), "masked_positions": positions[None].astype("int32")}
    logits = checkpoint.model.predict_on_batch(inputs)["masked_lm"][0].astype("float64")
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for words, row in zip(found, probabilities, strict=True):
        assert [word.token for word in words] == [checkpoint.tokenizer.token(int(i)) for i in np.argsort(-row)[:5]]
        assert [word.probability for word in words] == pytest.approx(sorted(row, reverse=True)[:5], rel=1e-4)


def test_masks_are_asked_for():
    checkpoint = load_huggingface(GOLDEN / "bert-masked-lm")
    with pytest.raises(CheckpointError, match=r"expected \[MASK\] in the first 20 tokens of the text, found none"):
        checkpoint("the cat")
    with pytest.raises(ValueError, match="takes single texts, got pairs"):
        checkpoint("a [MASK]", "b")
