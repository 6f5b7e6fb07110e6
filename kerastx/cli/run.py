"""kerastx run: texts to answers, with an exported file and no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerastx.cli.lines import LINE_ENDS, batches, stdin_lines
from kerastx.cli.options import Json
from kerastx.errors import DataError

if TYPE_CHECKING:
    from kerastx.runtime.answers import Answer, Candidate
    from kerastx.runtime.session import Session

# One row: a text, or a text and its pair.
Row = tuple[str, ...]


def run(
    file: Annotated[Path, typer.Argument(help=".tflite or .onnx file made by `kerastx export`.")],
    text: Annotated[
        list[str] | None,
        typer.Argument(help="Texts, or TEXT PAIR TEXT PAIR ...; stdin lines when there are none, pairs with a tab."),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    similarity: Annotated[
        bool, typer.Option("--similarity", help="Of a file for vectors: how alike TEXT and PAIR are, -1 to 1.")
    ] = False,
    context: Annotated[
        Path | None, typer.Option("--context", help="Of a file for questions: a text file that each TEXT asks about.")
    ] = None,
    json: Json = False,
) -> None:
    """Answer texts, or pairs of texts, one line each: label, probability, text.

    A file for any of several labels prints them with commas, or - for none; one for numbers prints the number; one for
    entities prints kind and text of each; one for vectors needs --json or --similarity. One for questions takes
    QUESTION CONTEXT, or questions with --context, and prints answer, or - for none, probability and question.

    Example: `kerastx run build/export/classification-dynamic_wi8_afp32.onnx "What a lovely film."`
    """
    from kerastx.runtime.session import load

    session = load(file, threads=threads)
    manifest = session.manifest
    if similarity and manifest.task != "embedding":
        raise DataError(f"{file} answers no vectors but {manifest.task}: leave --similarity out")
    if manifest.task == "embedding" and not (json or similarity):
        raise DataError(f"{file} answers vectors, which are printed as JSON only: add --json, or --similarity")
    if context is not None and manifest.task != "span":
        raise DataError(f"{file} answers no questions but {manifest.task}: leave --context out")
    about = None if context is None else _whole_text(context)
    pair = (manifest.pair and about is None) or similarity
    if manifest.task == "span" and about is None and text and len(text) % 2:
        raise DataError(f"{file} answers questions: expected QUESTION CONTEXT, or questions with --context FILE")
    rows = _rows_of(text, pair=pair) if text else _stdin_rows(pair=pair)
    for batch in batches(rows):
        answers = _similarities(session, batch) if similarity else _answers(session, batch, about)
        for row, answer in zip(batch, answers, strict=True):
            print(_as_json(row, answer) if json else _as_line(row, answer))
        print(end="", flush=True)


def _whole_text(path: Path) -> str:
    from kerastx.data.tables import read_text_file

    return read_text_file(path)


def _answers(session: Session, batch: list[Row], about: str | None) -> list[Any]:
    texts = [row[0] for row in batch]
    if about is not None:
        return session(texts, [about] * len(texts))
    return session(texts, [row[1] for row in batch]) if session.manifest.pair else session(texts)


def _similarities(session: Session, batch: list[Row]) -> list[Any]:
    """Return for each pair the cosine of the vectors of its texts."""
    from kerastx.runtime.results import Regression

    vectors = session.predict([row[0] for row in batch] + [row[1] for row in batch])["vector"]
    return [Regression(float(cosine)) for cosine in (vectors[: len(batch)] * vectors[len(batch) :]).sum(axis=1)]


def _as_line(row: Row, answer: Any) -> str:
    """Return the answer and its text as fields with tabs between them."""
    from kerastx.runtime.answers import Answer
    from kerastx.runtime.results import Classification, MultiLabel

    if isinstance(answer, Answer):
        # The context may have thousands of lines; the question says which answer this is.
        return "\t".join(
            [answer.text.translate(LINE_ENDS) or "-", f"{answer.probability:.4f}", row[0].translate(LINE_ENDS)]
        )
    if isinstance(answer, list):
        fields = ["; ".join(f"{one.label}: {one.text}".translate(LINE_ENDS) for one in answer) or "-"]
    elif isinstance(answer, Classification):
        fields = [answer.label, f"{answer.probability:.4f}"]
    elif isinstance(answer, MultiLabel):
        fields = [",".join(answer.labels) or "-"]
    else:
        fields = [f"{answer.score:.4f}"]
    return "\t".join([*fields, *(text.translate(LINE_ENDS) for text in row)])


def _as_json(row: Row, answer: Any) -> str:
    import json

    from kerastx.runtime.answers import Answer

    values: dict[str, Any] = dict(zip(("text", "pair"), row, strict=False))
    if isinstance(answer, Answer):
        return json.dumps({"question": row[0], **_answer_values(answer)}, ensure_ascii=False)
    if isinstance(answer, list):
        values["entities"] = [{**vars(one), "probability": round(one.probability, 6)} for one in answer]
    elif hasattr(answer, "score"):
        values["score"] = round(answer.score, 6)
    elif not hasattr(answer, "probabilities"):
        values["vector"] = [round(float(value), 7) for value in answer]
    else:
        if hasattr(answer, "label"):
            values |= {"label": answer.label, "probability": round(answer.probability, 6)}
        else:
            values["labels"] = list(answer.labels)
        values["probabilities"] = {name: round(value, 6) for name, value in answer.probabilities.items()}
    return json.dumps(values, ensure_ascii=False)


def _answer_values(answer: Answer) -> dict[str, Any]:
    def values(one: Answer | Candidate) -> dict[str, Any]:
        numbers = {"probability": round(one.probability, 6), "score": round(one.score, 4)}
        return {"text": one.text, "start": one.start, "end": one.end, **numbers}

    named = {"answer": answer.text, **values(answer), "candidates": [values(one) for one in answer.candidates]}
    del named["text"]
    return named


def _rows_of(texts: list[str], *, pair: bool) -> Iterator[Row]:
    if pair and len(texts) % 2:
        raise DataError(f"this file answers pairs: expected TEXT PAIR [TEXT PAIR ...], got {len(texts)} texts")
    return zip(texts[::2], texts[1::2], strict=True) if pair else ((text,) for text in texts)


def _stdin_rows(*, pair: bool) -> Iterator[Row]:
    for number, line in enumerate(stdin_lines(), 1):
        row = tuple(line.split("\t", 1)) if pair else (line,)
        if pair and len(row) < 2:
            raise DataError(
                f"stdin:{number}: this file answers pairs: expected text, tab, pair, got a line without a tab"
            )
        yield row
