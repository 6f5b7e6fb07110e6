"""Examples -> a labelled file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kerastx.data.labelled import LabelledData
from kerastx.errors import DataError


def write_labelled(path: str | os.PathLike[str], data: LabelledData) -> None:
    """Write rows as .jsonl, from which `read_labelled` reads them back.

    A row has the keys "text", "pair" where there are two texts, "negative" where there is a third, and, but for
    "positives", "label": a string, a list of strings or a number.
    JSONL and not TSV, so that tabs and newlines in texts stay what they are. To get the same class numbers, read with
    `labels=data.label_names` and `task=data.task`, and pairs with `pairs=True`.

    Args:
        path: ends in .jsonl; a file that is there is replaced.
        data: any rows that `read_labelled` can give: no text is empty, or begins or ends with white space.

    Raises:
        DataError: the path has another ending or cannot be written.
    """
    file = Path(path)
    if file.suffix.lower() != ".jsonl":
        raise DataError(f"{file}: expected a .jsonl file, got {file.suffix or 'no suffix'}")
    lines = [_line(data, row) for row in range(len(data))]
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        temporary.write_text("".join(lines), encoding="utf-8", newline="")
        temporary.replace(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be written: {error.strerror}") from error


def _line(data: LabelledData, row: int) -> str:
    label: str | float | list[str] = data.labels[row]
    if data.task == "regression":
        label = float(data.labels[row])
    elif data.task == "multi_label":
        label = [name for name, right in zip(data.label_names, data.targets[row], strict=True) if right]
    value: dict[str, str | float | list[str]] = {"text": data.texts[row]}
    if data.pairs is not None:
        value["pair"] = data.pairs[row]
    if data.negatives is not None:
        value["negative"] = data.negatives[row]
    if data.task != "positives":
        value["label"] = label
    line = json.dumps(value, ensure_ascii=False)
    if any("\ud800" <= character <= "\udfff" for character in line):  # half a character, which UTF-8 cannot hold
        line = json.dumps(value)
    return line + "\n"
