"""How probable texts are to a language model: the probability of a sentence, its fluency, the next word.

A language model gives each token a probability after those before it, and so the text theirs together. A masked model
gives each token one among all others: the pseudo-log-likelihood of Salazar et al., 2020,
https://arxiv.org/abs/1910.14659.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerastx.checkpoint.generating import vocabularies_of
from kerastx.checkpoint.masked_words import MASKED_TASKS
from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tasks import GENERATING_TASKS
from kerastx.errors import CheckpointError
from kerastx.runtime.sampling import log_softmax
from kerastx.runtime.text_probabilities import Batch
from kerastx.runtime.text_scores import Scorer, TextScore, check_room, checked_columns

SCORING_TASKS = (*GENERATING_TASKS, *MASKED_TASKS)
ROWS_AT_ONCE = 16
LOGITS_AT_ONCE = 2**25  # numbers; 128 MB


def score(
    checkpoint: Checkpoint, texts: Sequence[str], targets: Sequence[str] | None = None, *, first: int = 0
) -> list[TextScore]:
    """Return how probable each text is; of an encoder-decoder each target, with its end, given its source.

    Args:
        checkpoint: of the task "language_model", "seq2seq", "masked_lm" or "pretraining".
        texts: N strings; sources are cut to `max_length` tokens.
        targets: N strings, of "seq2seq" and only of it.
        first: number of the first text, for errors.

    Raises:
        CheckpointError: the checkpoint is of another task.
        TypeError: anything but strings.
        ValueError: a text has more tokens than the model has room for, or targets are missing or too many.
    """
    if checkpoint.task not in MASKED_TASKS:
        return scorer_of(checkpoint).score(texts, targets, first=first)
    texts, _ = checked_columns(checkpoint.task, texts, targets)
    return [_masked_score(checkpoint, text, number) for number, text in enumerate(texts, first)]


def next_words(checkpoint: Checkpoint, text: str, target: str | None = None, *, top: int) -> list[tuple[str, float]]:
    """Return the most probable next tokens, the best first, with their probabilities; see `Scorer.next_words`."""
    return scorer_of(checkpoint).next_words(text, target, top=top)


def scorer_of(checkpoint: Checkpoint) -> Scorer:
    """Return what scores with a checkpoint that writes; it computes all logits of a row at once.

    Raises:
        CheckpointError: the checkpoint is of another task.
    """
    if checkpoint.task not in GENERATING_TASKS:
        raise CheckpointError(
            f"a {checkpoint.task} checkpoint gives texts no probability; expected one of {', '.join(SCORING_TASKS)}"
        )
    return Scorer(
        vocabularies_of(checkpoint),
        functools.partial(_logits, checkpoint),
        places_at_once=LOGITS_AT_ONCE // checkpoint.config.vocabulary_size,
        rows_at_once=ROWS_AT_ONCE,
    )


def _logits(checkpoint: Checkpoint, batch: Batch) -> Iterator[np.ndarray]:
    """Yield the logits behind each place of a batch, float32 (B, V)."""
    inputs: dict[str, Any] = {"token_ids": batch.token_ids, "padding_mask": batch.padding_mask}
    if batch.sources is not None:
        inputs = {f"target_{name}": values for name, values in inputs.items()}
        inputs |= {f"source_{name}": batch.sources[name] for name in ("token_ids", "padding_mask")}
    yield from checkpoint.model.predict_on_batch(inputs)["logits"].swapaxes(0, 1)


def _masked_score(checkpoint: Checkpoint, text: str, number: int) -> TextScore:
    """Return a text with the log-probability of each token where it alone is masked."""
    tokenizer = checkpoint.tokenizer
    encoding = tokenizer.encode(text)
    check_room(number, len(encoding), checkpoint.config.max_sequence_length)
    # Only tokens of the text are scored, not those that the template puts around them.
    before = next(place for place, slot in enumerate(tokenizer.template.single) if slot.text is not None)
    length = len(encoding) - tokenizer.template.num_special(is_pair=False)
    positions = np.arange(before, before + length, dtype=np.int32)
    row = tokenizer.pad([encoding])
    scores: list[float] = []
    for start in range(0, length, ROWS_AT_ONCE):
        part = positions[start : start + ROWS_AT_ONCE]
        inputs = {name: np.repeat(values, len(part), axis=0) for name, values in row.items()}
        inputs["token_ids"][np.arange(len(part)), part] = tokenizer.mask_id
        logits = checkpoint.model.predict_on_batch({**inputs, "masked_positions": part[:, None]})["masked_lm"]
        found = log_softmax(logits[:, 0, : tokenizer.vocabulary_size])
        scores += found[np.arange(len(part)), encoding.token_ids[part]].tolist()
    return TextScore(tuple(tokenizer.token(int(token)) for token in encoding.token_ids[positions]), tuple(scores))
