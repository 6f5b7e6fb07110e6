"""What `kerastx pretrain` is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerastx.checkpoint.store import Checkpoint
from kerastx.cli.console import say
from kerastx.cli.lesson import RunRequest
from kerastx.data.store import TokenStore
from kerastx.errors import DataError

VALIDATION_BATCHES = 20


@dataclass(frozen=True, kw_only=True)
class PretrainRequest(RunRequest):
    """The options of `kerastx pretrain`."""

    data: Path
    preset: str = "mini"
    start: Path | None = None
    batch_size: int = 32
    max_length: int = 128
    whole_word: bool = False
    norm: str | None = None
    dropout_rate: float | None = None
    random_start: bool = False
    pack: bool | None = None


def row_settings(request: PretrainRequest, store: TokenStore) -> dict[str, Any]:
    """Return what a resumed run must share of the rows that it trains on."""
    return {"data_sha256": store.sha256, "batch_size": request.batch_size, "max_length": request.max_length}


def check_tokenizer(request: PretrainRequest, source: Checkpoint, store: TokenStore) -> None:
    """Raise DataError where a store was not made for the checkpoint to go on from."""
    if source.tokenizer.sha256 != store.tokenizer.sha256:
        raise DataError(
            f"{request.data} was prepared with another tokenizer than {request.start}; "
            f"prepare it with --tokenizer {request.start}"
        )


def tell_of_sentences(request: PretrainRequest, store: TokenStore) -> None:
    """Say so where a model that writes is trained on text without its line ends."""
    if not store.manifest.get("exact"):
        say(
            f"{request.data} holds sentences without line ends and blanks between them, and so will what the model "
            "writes; prepare it with --exact to keep them"
        )


def validation_of(batches: Callable[..., Any]) -> Any:
    """Return some batches of held-out documents; None, which is said, where a store has too few."""
    try:
        return batches(split="validation").take(VALIDATION_BATCHES)
    except DataError as error:
        say(f"no held-out score: {error}")
        return None
