"""Does a file that writes cut texts, and read its tokens, as the tokenizer it was made from?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.artifact import read_artifact
from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ExportError
from kerastx.runtime.engines import Tokenizing
from kerastx.runtime.file_steps import open_steps
from kerastx.runtime.graph_tokenizer import GraphTokenizer
from kerastx.text.detokenizer import Detokenizer
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.latency import median_ms
from kerastx_export.probe_texts import probe_texts
from kerastx_export.text_check import random_texts
from kerastx_export.writer_text import WriterText, read_tokens

SEQUENCES, LONGEST = 300, 40
SHORT, LONG = 80, 400  # bytes


@dataclass(frozen=True)
class WriterTextCost:
    """What the tokenizer in a file takes; times are median CPU milliseconds for one text with one thread.

    Attributes:
        budget: bytes of a text that are read.
        max_tokens: that it answers, special ones included.
        tables_bytes: of the tokenizer's tables.
        short_ms, long_ms: to tokenize 80 and 400 bytes.
    """

    budget: int
    max_tokens: int
    tables_bytes: int
    short_ms: float
    long_ms: float


def check_writer_text(path: Path, checkpoint: Checkpoint, text: WriterText) -> WriterTextCost | None:
    """Compare what a file has for texts with the tokenizers of its checkpoint, and measure it.

    Raises:
        ExportError: it shows the first text that has other tokens, or the first tokens that have another text.
    """
    artifact = read_artifact(path)
    if artifact.manifest.detokenizer:
        _check_detokenizer(artifact.manifest.detokenizer, checkpoint.tokenizer)
    if not artifact.manifest.text or text.text is None:
        return None
    engine = open_steps(artifact.content, artifact.engine_format)
    assert isinstance(engine, Tokenizing)  # its builder put the tokenizer in
    _check_graph(engine, checkpoint)
    _check_reader(GraphTokenizer(artifact.manifest, engine), checkpoint, engine.max_tokens)
    words = b"a text of words " * LONG
    return WriterTextCost(
        budget=text.text.budget,
        max_tokens=engine.max_tokens,
        tables_bytes=text.text.size_bytes,
        short_ms=median_ms(lambda: engine.tokenize([words[:SHORT]])),
        long_ms=median_ms(lambda: engine.tokenize([words[:LONG]])),
    )


def _check_graph(engine: Tokenizing, checkpoint: Checkpoint) -> None:
    """Compare what the signatures answer to texts that fit, of every budget."""
    tokenizer, slots = read_tokens(checkpoint)
    place = next(place for place, slot in enumerate(slots) if slot.text is not None)
    before, behind = ([slot.token_id for slot in part] for part in (slots[:place], slots[place + 1 :]))
    room = engine.max_tokens - len(before) - len(behind)
    texts = [*probe_texts(), "a\0b the\0caf\xe9", *random_texts(tokenizer)]
    texts += [_beginning(one, budget) for one in texts for budget in engine.budgets if len(one.encode()) > budget]
    texts = [one for one in texts if len(one.encode()) <= engine.budgets[-1]]
    for one, ids in zip(texts, tokenizer.encode_ids(texts), strict=True):
        found = engine.tokenize([one.encode()])
        expected = [*before, *ids[:room].tolist(), *behind]
        length = int(found["lengths"][0, 0])
        _compare(found["token_ids"][0, :length].tolist(), expected, one)
        _compare(bool(found["is_cut"][0, 0]), len(ids) > room, one)


def _beginning(text: str, size: int) -> str:
    return text.encode()[:size].decode("utf-8", "ignore")


def _check_reader(reader: GraphTokenizer, checkpoint: Checkpoint, most: int) -> None:
    """Compare whole texts, longer than the graph takes too, as far as a model reads them: `most` tokens."""
    tokenizer, _ = read_tokens(checkpoint)
    room = most - reader.template.num_special(is_pair=False)
    texts = probe_texts()
    texts.append(" ".join(texts))
    for one, found, expected in zip(texts, reader.encode_ids(texts), tokenizer.encode_ids(texts), strict=True):
        _compare(found[:room].tolist(), expected[:room].tolist(), one)
        _compare(len(found) > room, len(expected) > room, one)


def _compare(found: Any, expected: Any, text: str) -> None:
    if found != expected:
        raise ExportError(
            f"the tokenizer in the file has other tokens than the tokenizer for {text[:200]!r}; export with --input ids"
        )


def _check_detokenizer(entry: dict[str, Any], tokenizer: Tokenizer) -> None:
    detokenizer = Detokenizer(entry)
    for ids in [*_token_sequences(tokenizer), *tokenizer.encode_ids(probe_texts())]:
        found, expected = detokenizer.decode(ids), tokenizer.decode(ids)
        if found != expected:
            raise ExportError(f"the tables of the file read the tokens {list(ids)} as {found!r}, not {expected!r}")


def _token_sequences(tokenizer: Tokenizer) -> list[Sequence[int]]:
    """Return each token at the beginning and behind another, and sequences of any."""
    size, pick = tokenizer.vocabulary_size, random.Random(1)
    sequences = [pick.choices(range(size), k=pick.randrange(LONGEST)) for _ in range(SEQUENCES)]
    order = np.random.default_rng(1).permutation(size).tolist()
    return [*zip(order, range(size), strict=True), *sequences]
