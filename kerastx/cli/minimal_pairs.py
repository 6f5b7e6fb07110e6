"""How often a model finds the right one of two sentences more probable: kerastx score --minimal-pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kerastx.cli.console import in_parts
from kerastx.data.text_pairs import read_text_pairs
from kerastx.errors import DataError
from kerastx.runtime.text_scores import TextScore

# As in BLiMP (Warstadt et al., 2020, https://arxiv.org/abs/1912.00582).
COLUMNS = {"source_column": "sentence_good", "target_column": "sentence_bad"}


def score_minimal_pairs(
    task: str, score: Callable[[list[str]], list[TextScore]], paths: Iterable[Path], *, as_json: bool
) -> Iterator[str]:
    """Yield a line for each file, and one for their mean where there are several.

    Args:
        task: of the model.
        score: what it says of texts.
        paths: of files and folders.
        as_json: whether lines are for machines.

    Raises:
        DataError: a file is missing or broken, or a folder has no .jsonl file.
    """
    if task == "seq2seq":
        raise DataError("minimal pairs are for language models, masked or not, and this one needs a source")
    files = [file for path in paths for file in _files_of(path)]
    read = [read_text_pairs(file, **COLUMNS) for file in files]  # all, before the work of the first
    accuracies: list[float] = []
    for file, pairs in zip(files, read, strict=True):
        right, wrong = (
            in_parts(score, f"{file.stem}, {which} sentences")(texts)
            for which, texts in (("good", pairs.sources), ("bad", pairs.targets))
        )
        # Equally probable is not more probable.
        found = [good.log_probability > bad.log_probability for good, bad in zip(right, wrong, strict=True)]
        accuracies.append(sum(found) / len(found))
        yield _line(file.stem, accuracies[-1], len(found), as_json=as_json)
    if len(files) > 1:
        yield _line("mean", sum(accuracies) / len(accuracies), sum(map(len, read)), as_json=as_json)


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if not (files := sorted(path.glob("*.jsonl"))):
        raise DataError(f"{path}: expected .jsonl files of minimal pairs in this folder, found none")
    return files


def _line(name: str, accuracy: float, count: int, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"name": name, "accuracy": round(accuracy, 6), "pairs": count}, ensure_ascii=False)
    return f"{accuracy:.4f}\t{count}\t{name}"
