"""kerastx verify: does an exported file still answer like its checkpoint?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import (
    Dev,
    DevTarget,
    Documents,
    LabelColumn,
    PairColumn,
    SourceColumn,
    TargetColumn,
    TextColumn,
)
from kerastx.cli.quiet import import_tensorflow


def verify(
    file: Annotated[Path, typer.Argument(help=".tflite or .onnx file.")],
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="Checkpoint that it was made from.")],
    dev: Dev = None,
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: LabelColumn = None,
    dev_target: DevTarget = None,
    source_column: SourceColumn = None,
    target_column: TargetColumn = None,
    documents: Documents = None,
) -> None:
    """Check the file's hash, run it in its own runtime and compare it with Keras.

    A file that writes is compared token by token, on texts of our own and on --dev, and by what it writes.

    Example: `kerastx verify build/export/classification-dynamic_wi8_afp32.tflite --checkpoint build/classifier`
    """
    from kerastx.artifact import read_manifest

    read_manifest(file)  # a broken file is told in milliseconds, not after TensorFlow has started
    import_tensorflow("export")
    from kerastx.checkpoint.store import load_checkpoint
    from kerastx.cli.console import progress
    from kerastx.cli.dev_rows import read_rows_of
    from kerastx_export.verify import verify as verify_file

    loaded = load_checkpoint(checkpoint)
    rows = read_rows_of(
        dev,
        loaded,
        text_column=text_column,
        pair_column=pair_column,
        label_column=label_column,
        target=dev_target,
        source_column=source_column,
        target_column=target_column,
        documents=None if documents is None else documents.value,
    )
    with progress() as report:
        result = verify_file(file, loaded, dev=rows, progress=report)
    print(result.summary())
