"""Small models that generate, with weights large enough that every part of them shows in the logits."""

from __future__ import annotations

import keras
import numpy as np

from kerastx.models.decoder_config import LanguageModelConfig, Seq2SeqConfig
from kerastx.models.language_model import LanguageModel
from kerastx.models.seq2seq import Seq2Seq

SIZES = {"num_layers": 2, "hidden_dim": 16, "num_heads": 4, "intermediate_dim": 24, "max_sequence_length": 16}
VOCABULARY_SIZE = 30
# What sets the families apart, and what their members do not share.
LANGUAGE_MODELS = {
    "gpt2": {"preset": "gpt2-tiny"},
    "llama": {"preset": "llama-tiny", "num_kv_heads": 2},
    "qwen": {"preset": "llama-tiny", "num_kv_heads": 1, "head_dim": 6, "qkv_bias": True, "tied_embeddings": False},
    "relative": {"preset": "gpt2-tiny", "positions": "relative", "num_buckets": 8, "max_distance": 10},
    "sinusoidal": {"preset": "gpt2-tiny", "positions": "sinusoidal", "norm": "post-norm", "embedding_norm": True},
}
SEQ2SEQ_MODELS = {
    "transformer": {"preset": "transformer-tiny"},
    "own-source": {"preset": "transformer-tiny", "source_vocabulary_size": 25, "output_bias": True},
    "bart": {"preset": "transformer-tiny", "positions": "learned", "embedding_norm": True, "scale_embeddings": False},
    "t5": {
        "preset": "t5-tiny",
        "scale_outputs": True,
        "scale_scores": False,
        "num_buckets": 8,
        "max_distance": 10,
        "num_decoder_layers": 1,
        "head_dim": 6,
    },
}


def language_model(name: str, **changes) -> LanguageModel:
    options = {"vocabulary_size": VOCABULARY_SIZE, **SIZES, **LANGUAGE_MODELS[name], "dropout_rate": 0.0, **changes}
    return shaken(LanguageModel(LanguageModelConfig.preset(options.pop("preset"), **options)))


def seq2seq(name: str, **changes) -> Seq2Seq:
    options = {"vocabulary_size": VOCABULARY_SIZE, **SIZES, **SEQ2SEQ_MODELS[name], "dropout_rate": 0.0, **changes}
    return shaken(Seq2Seq(Seq2SeqConfig.preset(options.pop("preset"), **options)))


def shaken(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(7)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.3 * rng.normal(size=weight.shape))
    return model


def prompts(*, left: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Token ids int32 (3, 7) and their mask, bool, of rows of 7, 4 and 5 tokens."""
    lengths = np.array([[7], [4], [5]])
    places = np.arange(7)[None]
    mask = places >= 7 - lengths if left else places < lengths
    return np.where(mask, np.random.default_rng(11).integers(1, 25, (3, 7)), 0).astype("int32"), mask
