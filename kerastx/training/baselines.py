"""What a score is worth: the same task without a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression


def tfidf_accuracy(
    train_texts: Sequence[str], train_ids: np.ndarray, dev_texts: Sequence[str], dev_ids: np.ndarray
) -> float:
    """Return the dev accuracy of TF-IDF over words and word pairs with logistic regression.

    Args:
        train_texts, dev_texts: strings.
        train_ids, dev_ids: int (N,), class indices.
    """
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=1)
    classifier = LogisticRegression(max_iter=1000, C=10.0)
    classifier.fit(vectorizer.fit_transform(train_texts), train_ids)
    return float(classifier.score(vectorizer.transform(dev_texts), dev_ids))
