"""Texts of a model that writes without a library: the tokenizer in its graph, and the tables that read its tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import DataError, ExportError
from kerastx.text.detokenizer_tables import detokenizer_tables
from kerastx.text.template import Slot
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.text_entry import text_entry
from kerastx_export.text_input import BYTES_PER_TOKEN, DEFAULT_BUDGET, TextInput, check_budget, tokenizer_input

# A graph reads all of its bytes, however short the text is; whoever needs more of a long context says so.
LARGEST_DEFAULT_BUDGET = 8192


@dataclass(frozen=True)
class WriterText:
    """What a file of a model that writes has for texts.

    Attributes:
        text: the tokenizer of prompts, or of sources; None where the file takes ids only.
        entry: the entry `text` of its manifest.
        no_text: why it takes ids only, though nobody asked for that.
        detokenizer: the entry of its manifest.
        no_detokenizer: why there is none.
    """

    text: TextInput | None = None
    entry: dict[str, Any] = field(default_factory=dict)
    no_text: str = ""
    detokenizer: dict[str, Any] = field(default_factory=dict, repr=False)
    no_detokenizer: str = ""


def writer_text(checkpoint: Checkpoint, inputs: str | None = None, text_bytes: int | None = None) -> WriterText:
    """Return what the files of a checkpoint that writes have for texts.

    Args:
        checkpoint: a language_model or seq2seq.
        inputs: "ids", "both", or None for "both" where it can be.
        text_bytes: of a text, at least as many as the tokens that sources are cut to, or that the model was trained on.

    Raises:
        ValueError: the inputs are others, or so many bytes are too few.
        ExportError: the tokenizer has no form of tensor operations, and that was asked for; or "text" was.
    """
    if inputs == "text":
        raise ExportError("a file that writes goes on from ids, which it wrote itself; export with --input both")
    if inputs not in (None, "ids", "both"):
        raise ValueError(f"inputs must be of ids, both, got {inputs!r}.")
    detokenizer: dict[str, Any] = {}
    no_detokenizer = ""
    try:
        detokenizer = detokenizer_tables(checkpoint.tokenizer)
    except DataError as error:
        no_detokenizer = str(error)
    if inputs == "ids":
        if text_bytes is not None:
            raise ValueError("text_bytes is of files that take text: inputs='both'.")
        return WriterText(detokenizer=detokenizer, no_detokenizer=no_detokenizer)
    try:
        text = reading_input(checkpoint, budget=text_bytes)
    except ExportError as error:
        if inputs is not None or text_bytes is not None:
            raise
        return WriterText(no_text=str(error.__cause__), detokenizer=detokenizer, no_detokenizer=no_detokenizer)
    tokenizer, slots = read_tokens(checkpoint)
    return WriterText(text, text_entry(text, tokenizer, single=slots), "", detokenizer, no_detokenizer)


def read_tokens(checkpoint: Checkpoint) -> tuple[Tokenizer, tuple[Slot, ...]]:
    """Return the tokenizer of what a checkpoint reads, and the template: a prompt has no end."""
    if checkpoint.task == "seq2seq":
        tokenizer = checkpoint.source_tokenizer or checkpoint.tokenizer
        return tokenizer, tokenizer.template.single
    before = (Slot(None, number, 0) for number in checkpoint.tokenizer.template.before)
    return checkpoint.tokenizer, (*before, Slot(0, 0, 0))


def reading_input(checkpoint: Checkpoint, *, budget: int | None = None) -> TextInput:
    """Build the tokenizer of prompts, of as many tokens as leave room for one, or of sources, which are cut.

    By default it reads 6 bytes for each token, at least 512 and at most 8192; a prompt has no more tokens than bytes.
    """
    is_prompt = checkpoint.task == "language_model"
    most = checkpoint.config.max_sequence_length - 1 if is_prompt else checkpoint.max_length
    if budget is None:
        least = DEFAULT_BUDGET if is_prompt else max(DEFAULT_BUDGET, most)  # all tokens of a source may be needed
        budget = max(least, min(BYTES_PER_TOKEN * most, LARGEST_DEFAULT_BUDGET))
    else:
        check_budget(budget, checkpoint.max_length)
    tokenizer, slots = read_tokens(checkpoint)
    return tokenizer_input(tokenizer, slots, max_length=min(most, budget), budget=budget)
