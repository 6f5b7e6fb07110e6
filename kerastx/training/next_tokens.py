"""Rows of tokens as examples: each token is predicted from all before it (teacher forcing)."""

from __future__ import annotations

from keras import ops


def next_tokens(token_ids, padding_mask):
    """Return what a model reads of some rows, what it is to answer, and how much each answer counts.

    Args:
        token_ids: int32 (B, T + 1), a target with its start and its end, or a piece of a text.
        padding_mask: bool (B, T + 1), True = real token; padding on either side.

    Returns:
        token_ids int32 (B, T) and padding_mask bool (B, T), the inputs; labels int32 (B, T), the tokens behind them;
        weights float32 (B, T), 0 where the input or the label is padding.
    """
    inputs, mask = token_ids[:, :-1], padding_mask[:, :-1]
    counts = ops.logical_and(mask, padding_mask[:, 1:])
    return inputs, mask, token_ids[:, 1:], ops.cast(counts, "float32")
