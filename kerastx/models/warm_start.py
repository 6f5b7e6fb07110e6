"""A pretraining model that starts from what counting the corpus tells, not from nothing.

A masked language model spends its first thousands of steps on finding out that words differ in frequency, that
like words stand near like words, and that near positions matter more than far ones. All three are known before
the first step, and a Transformer can hold them in its weights:

    logits(masked position) = log frequency + E · mean of the vectors E of the tokens nearby

which is the continuous bag of words (Mikolov et al., 2013, https://arxiv.org/abs/1301.3781) with vectors from
counts (Levy and Goldberg, 2014). Everything stays trainable; only the start is another one. The attention start
follows mimetic initialization (Trockman and Kolter, 2023, https://arxiv.org/abs/2305.09828).
"""

from __future__ import annotations

import math

import keras
import numpy as np

# Measured with tiny, mini and small on Python's documentation, and with mini on Wikipedia and books: 6 to 13 do alike.
LOGIT_RANGE = 10.0  # logits of the start lie between plus and minus this, beside the log frequencies
POSITION_SHARE = 0.5  # length of a position vector, in lengths of a token vector
SHARPNESS = 10.0  # of the attention to near positions
LINEAR_BIAS = 2.0  # where gelu is nearly a straight line; the norm behind it takes the shift out again


def start_from_counts(
    model: keras.Model, token_counts: np.ndarray, token_vectors: np.ndarray, *, seed: int = 1
) -> None:
    """Turn a fresh `build_pretrainer` model into a continuous bag of words that is ready to learn more.

    Args:
        model: as built; weights not named below keep their random start.
        token_counts: int (V,), how often each token stands in the corpus.
        token_vectors: float32 (V, D), of length 1, or 0 for tokens that were never seen.
        seed: of the random rotation in the first block's attention.
    """
    embedding = model.get_layer("token_embedding")
    # The state that meets the table comes out of a layer norm: its length is √D.
    length = LOGIT_RANGE / math.sqrt(embedding.hidden_dim)
    embedding.table.assign(token_vectors * length)
    positions = model.get_layer("input_embeddings").positions
    scale = POSITION_SHARE * length / math.sqrt(embedding.hidden_dim)
    positions.assign(sinusoids(*positions.shape) * scale)
    _attend_nearby(model.get_layer("encoder_block_0").attention, np.random.default_rng(seed))
    _pass_through(model.get_layer("masked_lm_head"), token_counts)


def sinusoids(length: int, hidden_dim: int) -> np.ndarray:
    """Return sines and cosines of falling frequency, float32 (length, D), of standard deviation 1.

    Vaswani et al., 2017, section 3.5: the product of two rows falls with the distance of their positions.
    """
    frequencies = 10000.0 ** (-np.arange((hidden_dim + 1) // 2) * 2.0 / hidden_dim)
    angles = np.arange(length)[:, None] * frequencies
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, -1)[:, :hidden_dim]
    return (waves * math.sqrt(2.0)).astype("float32")


def _attend_nearby(attention: keras.layers.Layer, random: np.random.Generator) -> None:
    """Let every head look at near positions, and all heads together hand on the mean of what they see unchanged."""
    hidden_dim, num_heads = attention.hidden_dim, attention.num_heads
    head_dim = hidden_dim // num_heads
    # The fastest waves, in which near positions differ most, come first.
    basis = np.eye(hidden_dim, head_dim) * math.sqrt(SHARPNESS * math.sqrt(head_dim) / hidden_dim)
    query = np.tile(basis, num_heads)
    value, _ = np.linalg.qr(random.normal(size=(hidden_dim, hidden_dim)))
    attention.qkv.kernel.assign(np.concatenate([query, query, value], axis=1).astype("float32"))
    attention.output_projection.kernel.assign(value.T.astype("float32"))


def _pass_through(head: keras.layers.Layer, token_counts: np.ndarray) -> None:
    """Let the head compare states with token vectors as they are, on top of the frequencies."""
    size = head.token_embedding.hidden_dim
    head.transform.kernel.assign(np.eye(size, dtype="float32"))
    head.transform.bias.assign(np.full(size, LINEAR_BIAS, "float32"))
    frequencies = (token_counts + 1.0) / (token_counts.sum() + len(token_counts))
    head.bias.assign(np.log(frequencies).astype("float32"))
