"""Which documents of a token store are held back from training, the same ones in every run."""

from __future__ import annotations

import numpy as np

from kerastx.data.computed_order import hash_numbers
from kerastx.data.store import TokenStore

SPLITS = ("train", "validation")
VALIDATION_SHARE = 100  # one document of so many
MINIMUM_DOCUMENTS = 100  # a smaller store has no validation split


def held_back_documents(store: TokenStore, *, least_sentences: int = 2) -> np.ndarray:
    """Return which documents, bool, (num_documents,), are held back: by number, so that it never changes.

    None are where fewer than 100 documents have `least_sentences`.
    """
    long_enough = np.diff(store.documents) >= least_sentences
    numbers = np.arange(store.num_documents, dtype=np.uint64)
    chosen = hash_numbers(np.uint64(0), numbers) % np.uint64(VALIDATION_SHARE) == 0
    if long_enough.sum() < MINIMUM_DOCUMENTS or (chosen & long_enough).sum() < 2:
        return np.zeros_like(chosen)
    return chosen
