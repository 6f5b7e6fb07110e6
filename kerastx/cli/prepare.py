"""kerastx prepare: text files to a token store."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import DocumentEnds, Force


class Kind(StrEnum):
    wordpiece = "wordpiece"
    byte_bpe = "byte_bpe"
    characters = "characters"


class EncodingErrors(StrEnum):
    STRICT = "strict"
    REPLACE = "replace"


def prepare(
    corpus: Annotated[list[Path], typer.Option("--corpus", help="Text file or folder; repeat for more.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of the token store.")],
    vocabulary_size: Annotated[
        int | None,
        typer.Option("--vocabulary-size", min=100, help="Train a vocabulary of this size."),
    ] = None,
    vocabulary: Annotated[
        Kind, typer.Option("--vocabulary", help="Its kind; models that write need byte_bpe or characters.")
    ] = Kind.wordpiece,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", help="tokenizer.json, or a folder that has one.")
    ] = None,
    documents: Annotated[
        DocumentEnds, typer.Option("--documents", help="What separates documents.")
    ] = DocumentEnds.blank,
    exact: Annotated[
        bool | None,
        typer.Option("--exact/--sentences", help="Keep line ends and blanks [for vocabularies of models that write]."),
    ] = None,
    cased: Annotated[bool, typer.Option("--cased", help="Keep upper case and accents apart.")] = False,
    encoding_errors: Annotated[
        EncodingErrors, typer.Option("--encoding-errors", help="What to do with bytes that are not UTF-8.")
    ] = EncodingErrors.STRICT,
    min_tokens: Annotated[int | None, typer.Option("--min-tokens", min=1, help="Leave shorter documents out.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Leave longer documents out.")] = None,
    language: Annotated[
        list[str] | None,
        typer.Option("--language", help="Leave documents in other languages out: en, zh, ...; repeat for more."),
    ] = None,
    deduplicate: Annotated[
        bool, typer.Option("--deduplicate", help="Leave out copies and near-copies of earlier documents.")
    ] = False,
    vocabulary_megabytes: Annotated[
        int,
        typer.Option("--vocabulary-megabytes", min=1, help="Train the vocabulary on an even sample of so much text."),
    ] = 100,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; the number of cores without it.")
    ] = None,
    force: Force = False,
) -> None:
    """Turn text files or folders into a token store for pretraining.

    The same command goes on with a run that was killed; the store is the same, byte for byte.

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
            kind=vocabulary.value,
            documents=documents.value,
            exact=exact,
            lowercase=False if cased else None,
            encoding_errors=encoding_errors.value,
            min_tokens=min_tokens,
            max_tokens=max_tokens,
            languages=language or (),
            deduplicate=deduplicate,
            vocabulary_megabytes=vocabulary_megabytes,
            workers=workers,
            force=force,
            progress=report,
            say=say,
        )
    if removed := store.manifest["removed"]:
        say(f"{output}: left out {_listed(removed)}")
    say(
        f"{output}: {store.num_documents:,} documents, {store.num_sentences:,} sentences, "
        f"{store.num_tokens:,} tokens, vocabulary {store.tokenizer.vocabulary_size:,}, "
        f"unigram entropy {store.unigram_entropy:.3f} nats"
    )


def _listed(removed: dict[str, dict[str, int]]) -> str:
    """Return the documents that were left out, by reason, for people."""
    return ", ".join(
        f"{name.replace('_', ' ')}: {count['documents']:,} documents ({count['tokens']:,} tokens)"
        for name, count in removed.items()
    )
