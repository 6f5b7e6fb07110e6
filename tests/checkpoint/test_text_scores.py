"""How probable texts are: computed by hand, and as the sum of what a model says of each token."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tokenizers
import writing_checkpoints
from tokenizers import models, pre_tokenizers

from kerastx.checkpoint.masked_words import fill_masks
from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tasks import build_model
from kerastx.checkpoint.text_scores import next_words, score
from kerastx.errors import CheckpointError
from kerastx.models.config import EncoderConfig
from kerastx.models.decoder_config import LanguageModelConfig
from kerastx.text.tokenizer import Tokenizer

TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cats", "dogs", "sleep")
SIZE = len(TOKENS)
SMALL = {"vocabulary_size": SIZE, "hidden_dim": SIZE, "num_layers": 1, "num_heads": 1, "intermediate_dim": 4}
# P(next | previous) of a language of three words; all other pairs share what is left.
NEXT = {("[CLS]", "cats"): 0.5, ("[CLS]", "dogs"): 0.25, ("cats", "sleep"): 0.25, ("sleep", "[SEP]"): 0.8}


@pytest.fixture(scope="module")
def three_words() -> Tokenizer:
    backend = tokenizers.Tokenizer(models.WordPiece({token: id for id, token in enumerate(TOKENS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return Tokenizer(backend)


def zeroed(model):
    for variable in model.weights:
        variable.assign(np.full(variable.shape, float(variable.path.endswith("gamma"))))
    return {variable.path: variable for variable in model.weights}


@pytest.fixture(scope="module")
def bigrams(three_words) -> Checkpoint:
    """A language model with the probabilities of `NEXT`: its blocks add nothing to what the last token says."""
    config = LanguageModelConfig(**SMALL, max_sequence_length=8, tied_embeddings=False, output_bias=True)
    model = build_model("language_model", config)
    weights = zeroed(model)
    rest = {token: SIZE - sum(pair[0] == token for pair in NEXT) for token in TOKENS}
    left = {token: 1 - sum(share for pair, share in NEXT.items() if pair[0] == token) for token in TOKENS}
    logits = np.log([[NEXT.get((first, next), left[first] / rest[first]) for next in TOKENS] for first in TOKENS])
    # The norm makes of the row e_i of the identity: `high` in place i, `low` elsewhere.
    high, low = (SIZE - 1) / math.sqrt(SIZE - 1), -1 / math.sqrt(SIZE - 1)
    table = logits.T / (high - low)
    weights["token_embedding/table"].assign(100 * np.eye(SIZE))  # large: the norm's epsilon counts for nothing
    weights["vocabulary_logits/output_embedding/table"].assign(table)
    weights["vocabulary_logits/bias"].assign(-low * table.sum(axis=1))
    return Checkpoint(model=model, tokenizer=three_words, config=config, task="language_model", max_length=8)


@pytest.fixture(scope="module")
def unigrams(three_words) -> Checkpoint:
    """A masked model that says of every mask: cats in a quarter, sleep in half of all cases, dogs in an eighth."""
    config = EncoderConfig(**SMALL, max_sequence_length=8)
    model = build_model("masked_lm", config)
    shares = [0.025] * 5 + [0.25, 0.125, 0.5]
    zeroed(model)["masked_lm_head/bias"].assign(np.log(shares))
    return Checkpoint(model=model, tokenizer=three_words, config=config, task="masked_lm", max_length=8)


def test_the_probability_of_a_sentence_by_hand(bigrams):
    (found,) = score(bigrams, ["cats sleep"])
    assert found.tokens == ("cats", "sleep")
    np.testing.assert_allclose(found.log_probabilities, np.log([0.5, 0.25]), atol=1e-5)
    assert found.log_probability == pytest.approx(math.log(0.125), abs=1e-5)
    assert found.perplexity == pytest.approx(math.sqrt(8), abs=1e-4)
    cats, dogs, none = score(bigrams, ["cats", "dogs", ""])
    assert cats.log_probability > dogs.log_probability
    assert (none.tokens, none.log_probability, none.perplexity) == ((), 0.0, 1.0)


def test_the_next_word_by_hand(bigrams):
    (first, second, _) = next_words(bigrams, "", top=3)
    assert first == ("cats", pytest.approx(0.5, abs=1e-5))
    assert second == ("dogs", pytest.approx(0.25, abs=1e-5))
    assert next_words(bigrams, "cats sleep", top=1) == [("[SEP]", pytest.approx(0.8, abs=1e-5))]


def test_the_pseudo_log_likelihood_by_hand(unigrams):
    (found,) = score(unigrams, ["cats sleep"])
    assert found.tokens == ("cats", "sleep")
    np.testing.assert_allclose(found.log_probabilities, np.log([0.25, 0.5]), atol=1e-5)
    assert found.perplexity == pytest.approx(math.sqrt(8), abs=1e-4)
    assert score(unigrams, [""])[0].tokens == ()


def test_each_token_of_a_masked_model_is_scored_as_its_mask_is_filled(three_words):
    config = EncoderConfig(**SMALL, max_sequence_length=8, dropout_rate=0.0, initializer_range=1.0)
    model = build_model("masked_lm", config)
    checkpoint = Checkpoint(model=model, tokenizer=three_words, config=config, task="masked_lm", max_length=8)
    (found,) = score(checkpoint, ["cats dogs sleep"])
    masked = ["[MASK] dogs sleep", "cats [MASK] sleep", "cats dogs [MASK]"]
    for (words,), token, value in zip(
        fill_masks(checkpoint, masked, count=SIZE), found.tokens, found.log_probabilities, strict=True
    ):
        shares = {word.token: word.probability for word in words}
        assert math.exp(value) == pytest.approx(shares[token], rel=1e-4)


def test_what_a_model_wrote_is_as_probable_as_it_says():
    model, translator = writing_checkpoints.language_model(), writing_checkpoints.seq2seq()
    sources = ["the cat sat", "who"]
    for source, written in zip(sources, translator.generate(sources, max_new_tokens=9), strict=True):
        text = translator.tokenizer.decode(written.token_ids)
        (found,) = score(translator, [source], [text])
        assert found.tokens[-1] == "[SEP]"
        ids = translator.tokenizer.encode_ids([text])[0].tolist()
        if ids == [token for token in written.token_ids if token != translator.tokenizer.sep_id]:
            count = len(written.token_ids)
            assert math.fsum(found.log_probabilities[:count]) == pytest.approx(written.log_probability, abs=1e-3)
    together = score(model, ["the cat sat", "", "who ate the cake?"])
    alone = [score(model, [text])[0] for text in ("the cat sat", "", "who ate the cake?")]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.log_probabilities, other.log_probabilities, atol=1e-4)
    assert sum(probability for _, probability in next_words(model, "the", top=500)) == pytest.approx(1, abs=0.2)


def test_wrong_questions(bigrams, unigrams, make_checkpoint):
    translator = writing_checkpoints.seq2seq()
    with pytest.raises(CheckpointError, match="a classification checkpoint gives texts no probability; expected one"):
        score(make_checkpoint(), ["a"])
    with pytest.raises(ValueError, match="a model of the task seq2seq scores a target for each text: give them"):
        score(translator, ["a"])
    with pytest.raises(ValueError, match="a model of the task language_model scores texts alone, got targets too"):
        score(bigrams, ["a"], ["b"])
    with pytest.raises(ValueError, match="targets must be as many as texts, got 2 and 1"):
        score(translator, ["a"], ["b", "c"])
    for checkpoint, count in ((bigrams, 10), (unigrams, 12)):
        with pytest.raises(ValueError, match=f"text 1 has {count} tokens, and the model has room for 8"):
            score(checkpoint, ["cats", "cats " * 10])
    with pytest.raises(ValueError, match="text 8 has 10 tokens"):
        score(bigrams, ["cats", "cats " * 10], first=7)


def test_a_text_may_fill_all_places(bigrams):
    """Of 8 tokens the last is scored and not read, and [CLS] in front is."""
    (found,) = score(bigrams, ["cats sleep " * 4])
    assert len(found.tokens) == 8
    assert found.log_probabilities[:2] == pytest.approx((math.log(0.5), math.log(0.25)), abs=1e-4)


def test_rows_are_scored_together_only_where_their_logits_fit(monkeypatch, bigrams):
    texts = ["cats", "cats sleep " * 4, "dogs", "dogs sleep"]
    expected = score(bigrams, texts)
    monkeypatch.setattr("kerastx.checkpoint.text_scores.LOGITS_AT_ONCE", 2 * 2 * SIZE)
    for one, other in zip(score(bigrams, texts), expected, strict=True):
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-5)
