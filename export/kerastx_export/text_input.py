"""A checkpoint's tokenizer as a TensorFlow function of bytes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import DataError, ExportError
from kerastx.layers.assemble_tokens import AssembleTokens
from kerastx.layers.byte_pair import BytePair
from kerastx.layers.utf8 import cut_bytes
from kerastx.layers.wordpiece import WordPiece
from kerastx.runtime.text_entries import SMALLEST_BUDGET
from kerastx.text.byte_pair_tables import BytePairTables
from kerastx.text.graph_tables import WordPieceTables
from kerastx.text.template import Slot
from kerastx.text.tokenizer import Tokenizer

BYTES_PER_TOKEN, DEFAULT_BUDGET = 6, 512
# A graph of the whole budget costs a short text as much as a long one; a second one takes those of up to 16 tokens.
SHORT_BUDGET = 16 * BYTES_PER_TOKEN
TEXT_INPUTS = ("text", "pair")


@dataclass(frozen=True)
class TextInput:
    """The tokenizer of a file that takes text.

    Attributes:
        names: its inputs, "text" and for pairs "pair": uint8 (B, budget), UTF-8, zeros behind the text.
        budget: bytes of a text that are read.
        short_budget: bytes of the texts for which a graph of their own is worth it; None where budget is hardly more.
        function: of tensors by these names, to the tensors of `AssembleTokens`.
        size_bytes: of its tables.
        needs_size: whether the function wants all of the budget, for its loops to have an end.
    """

    names: tuple[str, ...]
    budget: int
    short_budget: int | None
    function: Callable[..., dict[str, tf.Tensor]]
    size_bytes: int
    needs_size: bool

    def specs(self, batch: int | None, *, size: int | None) -> list[tf.TensorSpec]:
        """Return the inputs for so many texts of so many bytes; None for any number."""
        return [tf.TensorSpec([batch, size], tf.uint8, name=name) for name in self.names]

    def trimmed(self, *texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer as `function` does, for bytes of any size, (B, N), and only as far as the longest text has tokens.

        What is behind the budget is left out and counted as cut. Instead of `lengths` there is the padding mask.
        """
        more = self.budget if self.needs_size else 1  # an empty text too has a byte to look at
        kept = [cut_bytes(tf.pad(tf.cast(one, tf.int32), [[0, 0], [0, more]]), self.budget) for one in texts]
        if self.needs_size:
            kept = [(tf.ensure_shape(values, [None, self.budget]), cut) for values, cut in kept]
        found = self.function(*(values for values, _ in kept))
        longest = tf.reduce_max(found.pop("lengths"))
        is_cut = functools.reduce(tf.logical_or, [found.pop("is_cut"), *(cut for _, cut in kept)])
        return {**{name: values[:, :longest] for name, values in found.items()}, "is_cut": is_cut}

    def padded(self, *texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer as `function` does, for bytes of the budget, (B, budget), without looking at zeros behind them all."""
        if self.needs_size:
            return self.function(*texts)
        place = tf.range(1, self.budget + 1)
        numbers = [tf.cast(one, tf.int32) for one in texts]
        sizes = [tf.reduce_max(tf.where(one > 0, place, 1)) for one in numbers]  # one byte at least
        return self.function(*(one[:, :size] for one, size in zip(numbers, sizes, strict=True)))


def text_input(checkpoint: Checkpoint, *, budget: int | None = None) -> TextInput:
    """Build the tokenizer of a checkpoint out of tensor operations.

    Args:
        checkpoint: its tokenizer a WordPiece as BERT has it, or a byte-level BPE as GPT-2 has it.
        budget: bytes of a text, at least as many as tokens; by default 6 for each token, at least 512.

    Raises:
        ValueError: the budget is less.
        ExportError: the tokenizer is another one.
    """
    max_length = checkpoint.max_length
    size = max(DEFAULT_BUDGET, BYTES_PER_TOKEN * max_length) if budget is None else budget
    check_budget(size, max_length)
    slots = checkpoint.tokenizer.template.slots(is_pair=checkpoint.pair)
    return tokenizer_input(checkpoint.tokenizer, slots, max_length=max_length, budget=size)


def check_budget(size: int, max_length: int) -> None:
    """ValueError for so few bytes of a text that they cannot fill the tokens of a model."""
    least = max(max_length, SMALLEST_BUDGET)
    if size < least:
        raise ValueError(
            f"a text of {size} bytes cannot fill the {max_length} tokens of this model: expected at least {least}"
        )


def tokenizer_input(tokenizer: Tokenizer, slots: Sequence[Slot], *, max_length: int, budget: int) -> TextInput:
    """Build a tokenizer out of tensor operations.

    Args:
        tokenizer: see `text_input`, also for the error.
        slots: where its special tokens stand around one text, or around two.
        max_length: tokens that are answered, special ones included.
        budget: bytes of a text.
    """
    is_pair = sum(slot.text is not None for slot in slots) == 2
    # The longer of two texts is cut, so that all tokens of both have to be known.
    most = budget if is_pair else max_length
    tables: WordPieceTables | BytePairTables
    try:
        if tokenizer.family == "BPE":
            tables = BytePairTables.of(tokenizer)
            tokens = BytePair(**vars(tables), max_tokens=most, name="byte_pair")
        else:
            tables = WordPieceTables.of(tokenizer)
            tokens = WordPiece(**vars(tables), max_tokens=most, name="wordpiece")
        assemble = AssembleTokens(slots=slots, max_length=max_length, pad_id=tokenizer.pad_id, name="assemble_tokens")
    except (DataError, ValueError) as error:
        raise ExportError(f"text cannot be the input of this model: {error}; export with --input ids") from error

    def function(*texts: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.identity(value) for name, value in assemble(*map(tokens, texts)).items()}

    names, short = TEXT_INPUTS[: 1 + is_pair], SHORT_BUDGET if budget >= 2 * SHORT_BUDGET else None
    return TextInput(names, budget, short, function, tables.size_bytes, needs_size=tokenizer.family == "BPE")
