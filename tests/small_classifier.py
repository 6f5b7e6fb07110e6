"""A classifier made in milliseconds, whose answers differ from text to text although nothing was trained."""

from __future__ import annotations

import keras
import numpy as np

from kerastx.checkpoint.store import Checkpoint, build_model
from kerastx.models.config import EncoderConfig
from kerastx.text.tokenizer import Tokenizer

LABELS = ("good", "bad", "odd")
MAX_LENGTH = 32
# Matrices of 1024 elements and more: the int8 recipe leaves smaller ones as they are.
HIDDEN_DIM = 32

_WORDS = (
    "the a cat dog sat ran on over mat hill rain fell grey town who ate cake ? old film was fine , and . never again"
)


def small_texts(count: int = 60) -> list[str]:
    """Return texts of 1 to 40 words, all different."""
    random, words = np.random.default_rng(20), _WORDS.split()
    lengths = random.integers(1, 41, count)
    return [f"{' '.join(random.choice(words, length))} {number}" for number, length in enumerate(lengths)]


def small_classifier() -> Checkpoint:
    """Return it: 3 labels, 1 layer, random weights far apart, and a head that takes each label about as often."""
    texts = small_texts()
    tokenizer = Tokenizer.train(texts, vocabulary_size=120)
    config = EncoderConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=HIDDEN_DIM,
        num_layers=1,
        num_heads=2,
        intermediate_dim=2 * HIDDEN_DIM,
        max_sequence_length=48,
    )
    keras.utils.set_random_seed(20)
    model = build_model("classification", config, LABELS)
    noise = np.random.default_rng(20)
    for variable in model.weights:
        variable.assign(variable.numpy() + noise.normal(0, 0.2, variable.shape))
    logits = model.predict_on_batch(tokenizer.pad(tokenizer.encode_batch(texts, max_length=MAX_LENGTH)))["logits"]
    kernel, bias = model.get_layer("classifier_head").weights
    bias.assign((bias.numpy() - logits.mean(0)) / logits.std(0))
    kernel.assign(kernel.numpy() / logits.std(0))
    return Checkpoint(
        model=model,
        tokenizer=tokenizer,
        config=config,
        task="classification",
        labels=LABELS,
        max_length=MAX_LENGTH,
        description="made for tests",
    )
