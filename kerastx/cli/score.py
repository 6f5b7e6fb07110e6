"""kerastx score: how probable texts are, and which word comes next."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from kerastx.cli.lines import LINE_ENDS, batches, stdin_lines
from kerastx.cli.options import Json
from kerastx.errors import DataError

if TYPE_CHECKING:
    from kerastx.runtime.text_scores import TextScore


class Model(NamedTuple):
    """What scores: its task, and functions of texts, and of translators their targets.

    `score` takes columns of texts and the number of the first one, `words` the texts of a row and how many words to
    show; it returns a table for each place that is foretold.
    """

    task: str
    score: Callable[..., list[TextScore]]
    words: Callable[..., list[list[tuple[str, float]]]]


def score(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="Folder of a language model, masked or not, or a translator; or an exported file that writes.",
        ),
    ],
    text: Annotated[
        list[str] | None,
        typer.Argument(help="Texts, of a translator TEXT TARGET TEXT TARGET ...; stdin lines when there are none."),
    ] = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Show each token with its log-probability too.")] = False,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Show so many next words instead, or words for each mask.")
    ] = None,
    minimal_pairs: Annotated[
        list[Path] | None,
        typer.Option(
            "--minimal-pairs",
            help="File or folder of sentence_good and sentence_bad (BLiMP): print how often the good one is more "
            "probable, of how many pairs, and the name; repeat for more.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print the log-probability and the perplexity of each text, the better ones with less perplexity.

    A masked model tells the pseudo-log-likelihood: each token is masked in turn.

    Example: `kerastx score build/books "The cats sleep." "The cats sleeps."`
    """
    if top and tokens:
        raise DataError("--top shows the next words, --tokens those of the text: give one of them")
    if minimal_pairs and (text or tokens or top):
        raise DataError("--minimal-pairs is scored alone: leave texts, --tokens and --top out")
    opened = _opened(model)
    if minimal_pairs:
        from kerastx.cli.minimal_pairs import score_minimal_pairs

        for line in score_minimal_pairs(opened.task, opened.score, minimal_pairs, as_json=json):
            print(line, flush=True)
        return
    first = 0
    for batch in batches(_rows(text, pair=opened.task == "seq2seq")):
        lines = _words(opened, batch, top, as_json=json) if top else _scores(opened, batch, first, tokens, as_json=json)
        for line in lines:
            print(line)
        print(end="", flush=True)
        first += len(batch)


def _opened(path: Path) -> Model:
    """Return a checkpoint, or a file, which needs no TensorFlow, ready to score."""
    from kerastx.artifact import ENGINE_FORMATS

    if path.suffix.lower() in ENGINE_FORMATS:
        return _opened_file(path)
    from kerastx.cli.quiet import import_tensorflow

    import_tensorflow("train")
    from kerastx.checkpoint.masked_words import MASKED_TASKS, fill_masks
    from kerastx.checkpoint.text_scores import next_words, score
    from kerastx.sources import load_checkpoint

    checkpoint = load_checkpoint(path)

    def words(*row: str, top: int) -> list[list[tuple[str, float]]]:
        if checkpoint.task not in MASKED_TASKS:
            return [next_words(checkpoint, *row, top=top)]
        (tables,) = fill_masks(checkpoint, [*row], count=top)
        return [[(word.token, word.probability) for word in table] for table in tables]

    return Model(checkpoint.task, functools.partial(score, checkpoint), words)


def _opened_file(path: Path) -> Model:
    from kerastx.errors import ArtifactError
    from kerastx.runtime.files import load
    from kerastx.runtime.writer import Writer

    writer = load(path)
    if not isinstance(writer, Writer):
        raise ArtifactError(f"{path} is a {writer.manifest.task} file, which gives texts no probability")
    scorer = writer.scorer
    return Model(writer.manifest.task, scorer.score, lambda *row, top: [scorer.next_words(*row, top=top)])


def _rows(texts: list[str] | None, *, pair: bool) -> Iterator[tuple[str, ...]]:
    if not pair:
        yield from ((text,) for text in texts or stdin_lines())
        return
    if texts:
        if len(texts) % 2:
            raise DataError(f"a translator scores pairs: expected TEXT TARGET ..., got {len(texts)} texts")
        yield from zip(texts[::2], texts[1::2], strict=True)
        return
    for number, line in enumerate(stdin_lines(), 1):
        if "\t" not in line:
            raise DataError(f"stdin:{number}: a translator scores pairs: expected text, tab, target")
        yield tuple(line.split("\t", 1))


def _scores(model: Model, rows: list[tuple[str, ...]], first: int, tokens: bool, *, as_json: bool) -> Iterator[str]:
    import json

    columns = [list(column) for column in zip(*rows, strict=True)]
    for row, found in zip(rows, model.score(*columns, first=first), strict=True):
        if as_json:
            values: dict[str, Any] = dict(zip(("text", "target"), row, strict=False))
            values |= {"log_probability": round(found.log_probability, 6), "perplexity": round(found.perplexity, 6)}
            if tokens:
                pairs = zip(found.tokens, found.log_probabilities, strict=True)
                values["tokens"] = [{"token": token, "log_probability": round(value, 6)} for token, value in pairs]
            yield json.dumps(values, ensure_ascii=False)
            continue
        texts = (text.translate(LINE_ENDS) for text in row)
        yield "\t".join([f"{found.log_probability:.4f}", f"{found.perplexity:.4f}", *texts])
        if tokens:
            for token, value in zip(found.tokens, found.log_probabilities, strict=True):
                yield f"{value:.4f}\t\t{token}"


def _words(model: Model, rows: list[tuple[str, ...]], top: int, *, as_json: bool) -> Iterator[str]:
    import json

    for row in rows:
        tables = model.words(*row, top=top)
        if as_json:
            values = [[{"token": token, "probability": round(p, 6)} for token, p in table] for table in tables]
            yield json.dumps({**dict(zip(("text", "target"), row, strict=False)), "words": values}, ensure_ascii=False)
            continue
        for table in tables:
            yield from (f"{probability:.4f}\t{token}" for token, probability in table)
