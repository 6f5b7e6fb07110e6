"""Questions as batches: the answer's tokens in the window that has it, token 0 in the others."""

from __future__ import annotations

import numpy as np
import pytest
from text_backends import byte_bpe_backend, wordpiece_backend

from kerastx.data.questions import GivenAnswer, Question, QuestionData
from kerastx.data.spans import span_dataset, span_rows
from kerastx.errors import DataError
from kerastx.text.question_windows import characters_of
from kerastx.text.tokenizer import Tokenizer

TOKENIZERS = [Tokenizer(wordpiece_backend()), Tokenizer(byte_bpe_backend())]
every_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["wordpiece", "bpe"])


def asked(context, *answers, text="Who paid?"):
    given = tuple(GivenAnswer(one, context.index(one)) for one in answers)
    return Question(str(hash((context, answers, text))), text, context, given, 1)


@every_tokenizer
def test_targets_are_the_tokens_of_the_first_answer(tokenizer):
    context = "The naïve owner paid 3.50 for things."
    ((row,), _) = span_rows(
        QuestionData([asked(context, "naïve owner", "owner")]), tokenizer, max_length=200, stride=64
    )
    assert characters_of(context, row.encoding.offsets, row.start, row.end) == (4, 15)
    ((none,), _) = span_rows(QuestionData([asked(context)]), tokenizer, max_length=200, stride=64)
    assert (none.start, none.end) == (0, 0)


@every_tokenizer
def test_windows_without_the_answer_say_none(tokenizer):
    context = "the things are paid. " * 30 + "Unbelievable café! " + "he said so. " * 30
    rows, left_out = span_rows(QuestionData([asked(context, "Unbelievable café")]), tokenizer, max_length=64, stride=16)
    with_answer = [row for row in rows if row.start]
    assert 0 < len(with_answer) < len(rows)
    assert left_out == 0
    for row in with_answer:
        start, end = characters_of(context, row.encoding.offsets, row.start, row.end)
        assert context[start:end] == "Unbelievable café"
    assert all(row.end == 0 for row in rows if not row.start)


def test_an_answer_that_the_tokenizer_drops_is_left_out():
    context = "The owner \x02\x02 paid."
    rows, left_out = span_rows(
        QuestionData([asked(context, "\x02"), asked(context, "owner")]), TOKENIZERS[0], max_length=64, stride=9
    )
    assert (len(rows), left_out) == (1, 1)


def test_an_answer_that_no_window_holds_does_not_teach_that_there_is_none():
    answer = "the things are paid. " * 20
    data = QuestionData([asked(f"He said so. {answer} So did he.", answer.strip()), asked("the owner paid", "owner")])
    told = []
    sizes = {"batch_size": 4, "max_length": 32, "stride": 8}
    (batch,) = span_dataset(data, TOKENIZERS[0], tell=told.append, **sizes).as_numpy_iterator()
    assert (batch[1]["end_logits"] > 0).all()
    assert told == ["1 of 2 questions have an answer that no window of 32 tokens holds: they are left out"]
    with pytest.raises(DataError, match="1 of 1 questions have an answer that no window .* larger --max-length"):
        span_dataset(data.subset([0]), TOKENIZERS[0], **sizes)


def test_batches_are_padded_to_their_longest_and_shuffled_by_the_seed():
    contexts = ["the owner paid " * count for count in range(1, 12)]
    data = QuestionData([asked(context, "owner") for context in contexts])
    sizes = {"batch_size": 4, "max_length": 64, "stride": 16}
    dataset = span_dataset(data, TOKENIZERS[0], **sizes)
    batches = [(inputs, targets) for inputs, targets in dataset.as_numpy_iterator()]
    assert len(batches) == int(dataset.cardinality()) == 3
    for inputs, targets in batches:
        rows, width = inputs["token_ids"].shape
        assert width % 8 == 0
        assert targets["start_logits"].shape == targets["end_logits"].shape == (rows,)
        assert (targets["start_logits"] <= targets["end_logits"]).all()
        assert inputs["padding_mask"][np.arange(rows), targets["end_logits"]].all()

    def epochs(seed):
        shuffled = span_dataset(data, TOKENIZERS[0], seed=seed, **sizes)
        return [[batch[0]["token_ids"].sum() for batch in shuffled.as_numpy_iterator()] for _ in range(2)]

    first, again = epochs(1), epochs(1)
    assert first == again
    assert first[0] != first[1]
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        span_dataset(data, TOKENIZERS[0], batch_size=0, max_length=64, stride=16)
