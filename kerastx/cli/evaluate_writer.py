"""The pieces of kerastx evaluate for models that write: rows, what is measured on them, how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kerastx.analysis.held_rows import pair_rows, text_rows
from kerastx.analysis.writer_scores import held_scores, write_all, written_scores
from kerastx.cli.console import progress
from kerastx.cli.dev_rows import read_held_rows
from kerastx.cli.evaluate import Writing
from kerastx.data.held_text import HeldText
from kerastx.errors import DataError
from kerastx.runtime.generation_settings import GenerationSettings


def evaluate_writer(
    model: Writing, data: Path, where: dict[str, Any], *, limit: int | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return the scores by name.

    Args:
        model: a checkpoint or a file.
        data: text of a language model, pairs of an encoder-decoder.
        where: see `read_held_rows`.
        limit: the most rows; None = all.
        options: how an encoder-decoder writes, see `GenerationSettings`.

    Raises:
        DataError: the data are missing or wrong, or a language model is told how to write.
    """
    settings = GenerationSettings(**options)
    if model.task == "language_model" and settings != GenerationSettings():
        raise DataError(
            "a language model is scored on text that is there: leave --beams, --length-penalty and --max-new-tokens out"
        )
    held = read_held_rows(data, model.task, **where)
    with progress() as report:
        if isinstance(held, HeldText):
            rows = text_rows(model.scorer.vocabularies, held, limit=limit)
            return {"task": model.task, "rows": len(rows.rows), **held_scores(model.scorer, rows, report)}
        pairs = held if limit is None else held.subset(range(min(limit, len(held))))
        rows = pair_rows(model.scorer.vocabularies, pairs)
        scores = held_scores(model.scorer, rows, report)
        written = write_all(model.generator, pairs.sources, settings, report)
    return {"task": model.task, "rows": len(pairs), **written_scores(written, pairs), **scores}
