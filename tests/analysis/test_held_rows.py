"""Documents in windows: every token is scored once, and after as much of what stands before it as there is room for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import writing_checkpoints

from kerastx.analysis.held_rows import pair_rows, text_rows
from kerastx.checkpoint.generating import vocabularies_of
from kerastx.data.held_text import HeldText
from kerastx.data.text_pair_batches import TextPairBatches
from kerastx.data.text_pairs import TextPairs
from kerastx.errors import DataError
from kerastx.runtime.generation import Vocabularies
from kerastx.text.tokenizer import Tokenizer


def vocabularies_for(text: str, max_length: int) -> Vocabularies:
    tokenizer = Tokenizer.train([text] * 3, vocabulary_size=300, kind="byte_bpe")
    return Vocabularies(
        tokenizer=tokenizer, source_tokenizer=None, vocabulary_size=300, max_length=max_length, places=64
    )


@pytest.mark.parametrize("max_length", [3, 5, 64])
@pytest.mark.parametrize("text", ["a", "ab", "one two\nthree naïve 🎬 four", "  x\n\n y "])
def test_every_token_and_every_byte_counts_once(text, max_length):
    vocabularies = vocabularies_for(text, max_length)
    lines = text.splitlines(keepends=True)
    rows = text_rows(vocabularies, HeldText([lines, lines]))
    tokens = np.concatenate(vocabularies.tokenizer.encode_ids(lines))
    scored = np.concatenate([row.token_ids[-row.scored :] for row in rows.rows])
    assert scored.tolist() == [*tokens, *tokens]
    assert rows.num_tokens == 2 * len(tokens)
    assert rows.num_bytes == 2 * len(text.encode())
    for row in rows.rows:
        assert row.num_read <= max_length
        assert row.token_ids[0] == vocabularies.tokenizer.cls_id


def test_a_window_goes_on_from_the_last_token_of_the_one_before():
    rows = text_rows(vocabularies_for("1", 5), HeldText([["a token for each byte"]])).rows
    assert len(rows) > 2
    assert rows[0].scored == len(rows[0].token_ids) - 1
    for before, row in itertools.pairwise(rows):
        assert row.token_ids[1] == before.token_ids[-1]
        assert row.scored == len(row.token_ids) - 2


def test_a_limit_counts_windows_and_their_bytes():
    text = "one two three four five six"
    vocabularies = vocabularies_for("1", 5)  # a token for each byte
    rows = text_rows(vocabularies, HeldText([[text]]), limit=2)
    assert (len(rows.rows), rows.num_tokens, rows.num_bytes) == (2, 9, 9)
    assert len(text_rows(vocabularies, HeldText([[text]]), limit=500).rows) == 7


def test_bytes_of_lines_without_tokens_count_with_their_neighbours():
    vocabularies = vocabularies_of(writing_checkpoints.language_model())
    lines = ["\n", "the cat\n", " \n", "sat\n", "\n"]
    rows = text_rows(vocabularies, HeldText([lines]))
    assert (rows.num_tokens, rows.num_bytes) == (3, len("".join(lines)))
    with pytest.raises(DataError, match="the held text has no tokens in this model's vocabulary"):
        text_rows(vocabularies, HeldText([["\n"]]))


def test_pairs_are_cut_as_in_training():
    checkpoint = writing_checkpoints.seq2seq()
    pairs = TextPairs(["the cat " * 20, "who"], ["a dog", "rain fell " * 20])
    rows = pair_rows(vocabularies_of(checkpoint), pairs).rows
    batches = TextPairBatches(pairs, checkpoint.tokenizer, batch_tokens=1, max_length=checkpoint.max_length, seed=1)
    trained = {}
    for step in range(2):
        inputs, targets, _ = batches.batch(step)
        mask = inputs["target_padding_mask"][0]
        trained[tuple(targets["logits"][0][mask])] = inputs["source_token_ids"][0][inputs["source_padding_mask"][0]]
    for row in rows:
        np.testing.assert_array_equal(trained[tuple(row.token_ids[-row.scored :])], row.source.token_ids)
