"""Word vectors from counts: where a table of token embeddings can start.

The leading singular vectors of the positive pointwise mutual information of tokens that stand near each other
(Levy and Goldberg, 2014; context smoothing as in Levy, Goldberg and Dagan, 2015, section 3.1) take seconds to
compute, and spare a masked language model most of the steps in which it learns which tokens go together.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from kerastx.data.store import TokenStore

WINDOW = 4  # tokens to either side
MAXIMUM_TOKENS = 1 << 22  # of the store that are counted, spread evenly over it; more change the vectors little
CONTEXT_SMOOTHING = 0.75
CHUNK = 1 << 18


def cooccurrence_vectors(store: TokenStore, hidden_dim: int, *, seed: int) -> np.ndarray:
    """Return float32 (V, D): a vector per token, of length 1; tokens with like neighbours have like vectors.

    The vector of a token that never occurs is 0.

    Args:
        store: whose tokens are counted, as one text: the few neighbours across a document's end do not matter.
        hidden_dim: D.
        seed: of the randomized singular value decomposition and of the rotation.
    """
    information = _positive_information(_neighbour_counts(store))
    rank = min(hidden_dim, information.shape[0] - 1)
    left, values, _ = randomized_svd(information, rank, n_iter=2, random_state=seed)
    vectors = np.zeros((information.shape[0], hidden_dim), "float32")
    seen = np.diff(information.indptr) > 0
    vectors[seen, :rank] = (left * np.sqrt(values))[seen]
    # A rotation spreads what the first directions hold over all, as layers with equal rates for all expect.
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(hidden_dim, hidden_dim)))
    vectors = vectors @ rotation.astype("float32")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def chunk_starts(num_tokens: int) -> list[int]:
    """Return where the chunks begin that are counted: all of a store, or as many as allowed from all over it."""
    if num_tokens <= MAXIMUM_TOKENS:
        return list(range(0, num_tokens, CHUNK))
    count = max(MAXIMUM_TOKENS // CHUNK, 1)
    return [number * (num_tokens - CHUNK) // max(count - 1, 1) for number in range(count)]


def _neighbour_counts(store: TokenStore) -> sparse.csr_matrix:
    size = store.tokenizer.vocabulary_size
    counts = sparse.csr_matrix((size, size), dtype=np.float32)
    for start in chunk_starts(store.num_tokens):
        tokens = np.asarray(store.tokens[start : start + CHUNK], np.int64)
        for distance in range(1, min(WINDOW, len(tokens) - 1) + 1):
            weight = np.full(len(tokens) - distance, (WINDOW + 1 - distance) / WINDOW, np.float32)
            counts += sparse.csr_matrix((weight, (tokens[:-distance], tokens[distance:])), shape=(size, size))
    return counts + counts.T


def _positive_information(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return max(0, log p(a, b) / p(a) q(b)) where the counts are not zero."""
    pairs = counts.tocoo()
    of_token = np.asarray(counts.sum(axis=1)).ravel()
    context = of_token**CONTEXT_SMOOTHING
    context /= max(context.sum(), 1e-12)
    values = np.log(pairs.data / (of_token[pairs.row] * context[pairs.col]))
    return sparse.csr_matrix((np.maximum(values, 0.0), (pairs.row, pairs.col)), shape=counts.shape)
