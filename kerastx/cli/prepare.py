"""kerastx prepare: text files to a token store."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import Force


class Documents(StrEnum):
    blank = "blank"
    file = "file"
    heading = "heading"


class EncodingErrors(StrEnum):
    STRICT = "strict"
    REPLACE = "replace"


def prepare(
    corpus: Annotated[list[Path], typer.Option("--corpus", help="Text file or folder; repeat for more.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of the token store.")],
    vocabulary_size: Annotated[
        int | None,
        typer.Option("--vocabulary-size", min=100, help="Train a WordPiece vocabulary of this size."),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", help="tokenizer.json, or a folder that has one.")
    ] = None,
    documents: Annotated[Documents, typer.Option("--documents", help="What separates documents.")] = Documents.blank,
    cased: Annotated[bool, typer.Option("--cased", help="Keep upper case and accents apart.")] = False,
    encoding_errors: Annotated[
        EncodingErrors, typer.Option("--encoding-errors", help="What to do with bytes that are not UTF-8.")
    ] = EncodingErrors.STRICT,
    force: Force = False,
) -> None:
    """Turn text files or folders into a token store for pretraining.

    Example: `kerastx prepare --corpus wiki.txt --corpus books/ --documents heading --vocabulary-size 16000
    --output build/store`
    """
    from kerastx.cli.console import progress, say
    from kerastx.data.prepare import prepare as prepare_store
    from kerastx.text.tokenizer import Tokenizer

    if (vocabulary_size is None) == (tokenizer is None):
        raise typer.BadParameter("give exactly one of --vocabulary-size and --tokenizer")
    with progress() as report:
        store = prepare_store(
            corpus,
            output,
            vocabulary_size=vocabulary_size,
            tokenizer=Tokenizer.load(tokenizer) if tokenizer else None,
            documents=documents.value,
            lowercase=not cased,
            encoding_errors=encoding_errors.value,
            force=force,
            progress=report,
        )
    say(
        f"{output}: {store.num_documents:,} documents, {store.num_sentences:,} sentences, "
        f"{store.num_tokens:,} tokens, vocabulary {store.tokenizer.vocabulary_size:,}, "
        f"unigram entropy {store.unigram_entropy:.3f} nats"
    )
