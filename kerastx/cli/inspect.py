"""kerastx inspect: what stands in a token store or in labelled rows, before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kerastx.cli.options import Force, Json, LabelColumn, PairColumn, TextColumn


def inspect(
    store: Annotated[Path | None, typer.Argument(help="Token store, made by `kerastx prepare`.")] = None,
    train: Annotated[Path | None, typer.Option("--train", help="Or labelled rows: TSV, CSV or JSONL.")] = None,
    dev: Annotated[Path | None, typer.Option("--dev", help="Labelled rows that should not stand in train.")] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Checkpoint, store or tokenizer.json that counts tokens.")
    ] = None,
    max_length: Annotated[int, typer.Option("--max-length", min=8, help="Tokens that training keeps.")] = 128,
    pairs: Annotated[bool, typer.Option("--pairs", help="Two texts a row.")] = False,
    multi_label: Annotated[bool, typer.Option("--multi-label", help="Any number of labels: a|b, a,b or none.")] = False,
    regression: Annotated[bool, typer.Option("--regression", help="The label is a number.")] = False,
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: LabelColumn = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw it into this file too.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Report on data before training: labels, lengths, repeats, what train and dev share.

    Example: `kerastx inspect --train train.tsv --dev dev.tsv --from build/pretrained --png report.png`
    """
    if (store is None) == (train is None):
        raise typer.BadParameter("give exactly one of STORE and --train")
    if multi_label and regression:
        raise typer.BadParameter("choose one of --multi-label and --regression")
    columns = {"text_column": text_column, "pair_column": pair_column, "label_column": label_column}
    labelled_only: dict[str, object] = {
        "--dev": dev,
        "--from": start,
        "--pairs": pairs or None,
        "--multi-label": multi_label or None,
    }
    labelled_only |= {"--regression": regression or None}
    labelled_only |= {f"--{name.replace('_', '-')}": value for name, value in columns.items()}
    if store is not None and (given := [name for name, value in labelled_only.items() if value is not None]):
        raise typer.BadParameter(f"{' and '.join(given)} is for labelled rows, not for a token store")
    if png is not None:
        _check_picture(png, force=force)
    if store is not None:
        report, text, draw = _store_report(store, max_length)
    elif train is not None:
        report, text, draw = _labelled_report(
            train,
            dev,
            start,
            max_length=max_length,
            pairs=pairs,
            task="multi_label" if multi_label else "regression" if regression else "classification",
            **columns,
        )
    if png is not None:
        try:
            draw(png)
        except ModuleNotFoundError as error:
            from kerastx.errors import MissingExtraError

            raise MissingExtraError(str(error.name), "train") from error
    if json:
        import json as json_module

        print(json_module.dumps(report, ensure_ascii=False))
    else:
        print(text)


def _store_report(store: Path, max_length: int) -> tuple[dict[str, Any], str, Any]:
    from kerastx.cli.console import progress
    from kerastx.cli.inspect_text import store_text
    from kerastx.data.data_warnings import store_warnings
    from kerastx.data.store import open_store
    from kerastx.data.store_report import report_store

    with progress() as show:
        report = report_store(open_store(store), max_length=max_length, progress=show)
    warnings = store_warnings(report)

    def draw(path: Path) -> None:
        from kerastx.analysis.data_pictures import draw_store

        draw_store(report, path)

    return report.to_dict() | {"warnings": warnings}, store_text(report, warnings), draw


def _labelled_report(
    train: Path, dev: Path | None, start: Path | None, **options: Any
) -> tuple[dict[str, Any], str, Any]:
    from kerastx.cli.inspect_text import labelled_text
    from kerastx.data.data_warnings import labelled_warnings
    from kerastx.data.labelled_report import report_labelled
    from kerastx.text.tokenizer import Tokenizer

    tokenizer = None if start is None else Tokenizer.load(start)
    report = report_labelled(train, dev, tokenizer=tokenizer, **options)
    warnings = labelled_warnings(report)

    def draw(path: Path) -> None:
        from kerastx.analysis.data_pictures import draw_labelled

        draw_labelled(report, path)

    return report.to_dict() | {"warnings": warnings}, labelled_text(report, warnings), draw


def _check_picture(png: Path, *, force: bool) -> None:
    from kerastx.errors import DataError

    if png.suffix.lower() != ".png":
        raise typer.BadParameter(f"expected a name that ends in .png, got {png.name!r}", param_hint="--png")
    if not png.exists():
        return
    if not force:
        raise DataError(f"{png}: exists already; choose another name or pass --force to replace it")
    if not png.is_file() or png.read_bytes()[:8] != b"\x89PNG\r\n\x1a\n":
        raise DataError(f"{png}: is not a PNG picture and will not be replaced; choose another name")
