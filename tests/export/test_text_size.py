"""By how much a file grows that takes text: tables, operators and constants of all its tokenizers."""

from __future__ import annotations

import pytest
from generated_text import ideographs, syllable_words
from small_classifier import LABELS

from kerastx.checkpoint.store import Checkpoint, build_model
from kerastx.models.config import EncoderConfig
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.builder import TfliteBuilder
from kerastx_export.recipes import RECIPES
from kerastx_export.text_input import text_input


def added_bytes(tokenizer: Tokenizer, folder) -> int:
    config = EncoderConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=32,
        num_layers=1,
        num_heads=2,
        intermediate_dim=64,
        max_sequence_length=128,
    )
    model = build_model("classification", config, LABELS)
    checkpoint = Checkpoint(model=model, tokenizer=tokenizer, config=config, task="classification", labels=LABELS)
    with_text, without = (TfliteBuilder(checkpoint, folder, text) for text in (text_input(checkpoint), None))
    graph = with_text.graph(RECIPES["fp32"])
    return len(with_text.seal(graph, RECIPES["fp32"])) - len(without.seal(graph, RECIPES["fp32"]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("texts", "size", "lowercase", "most"),
    [
        (syllable_words, 8000, False, 300_000),
        (ideographs, 8000, True, 300_000),
        (syllable_words, 30_522, True, 1_000_000),
    ],
    ids=["cased", "chinese", "large"],
)
def test_what_a_tokenizer_adds_to_a_file(tmp_path, texts, size, lowercase, most):
    tokenizer = Tokenizer.train(texts(), vocabulary_size=size, lowercase=lowercase)
    assert 0.9 * size < tokenizer.vocabulary_size <= size
    assert 0.2 * most < added_bytes(tokenizer, tmp_path) < most
