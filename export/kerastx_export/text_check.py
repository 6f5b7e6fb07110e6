"""Does the tokenizer inside of a file cut texts as the one it was made from?"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ExportError
from kerastx.runtime.engines import Engine, Tokenizing
from kerastx.runtime.session import Session
from kerastx.runtime.text_runs import byte_rows, run_texts
from kerastx.text.encoding import Encoding, truncated_lengths
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.comparison import Comparison
from kerastx_export.file_tokenizers import Tokenize, file_tokenizers
from kerastx_export.probe_texts import ODD_TEXTS
from kerastx_export.text_input import TEXT_INPUTS, TextInput

RANDOM_TEXTS = 300
ANSWERED_TEXTS = 24
ROWS = 32
TOLERANCE = 1e-4


def check_tokenizer(path: Path, text: TextInput, checkpoint: Checkpoint) -> None:
    """Raise ExportError that shows the first text of which a file makes other ids, segments or bytes.

    Every tokenizer that the file has is compared on odd texts, on random ones of all of Unicode, and on strings of
    pieces of the vocabulary.
    """
    texts = [*ODD_TEXTS, "a\0b the\0caf\xe9", *random_texts(checkpoint.tokenizer)]
    for budget, tokenize in file_tokenizers(path, text).items():
        # The shorter budget is for short texts: of the others as many characters as fit.
        begun = _beginnings(texts, budget) if budget < text.budget else []
        _check(tokenize, budget, [*_that_fit(texts, budget), *begun], checkpoint)
    if path.suffix == ".onnx":
        _check_together(tokenize, _that_fit(texts, text.budget), checkpoint)


def _that_fit(texts: list[str], budget: int) -> list[str]:
    return [text for text in texts if len(text.encode()) <= budget]


def _beginnings(texts: list[str], budget: int) -> list[str]:
    """Return of the texts that do not fit as many characters as do."""
    return [text.encode()[:budget].decode("utf-8", "ignore") for text in texts if len(text.encode()) > budget]


def _check(tokenize: Tokenize, budget: int, texts: list[str], checkpoint: Checkpoint) -> None:
    """Compare texts one by one."""
    sides = _sides(texts, checkpoint)
    expected = checkpoint.tokenizer.encode_batch(*sides, max_length=checkpoint.max_length)
    whole = checkpoint.tokenizer.encode_batch(*sides)
    for row, encoding in enumerate(expected):
        given = [side[row] for side in sides]
        found = tokenize(**_named([byte_rows([one.encode()], budget) for one in given]))
        width = found["token_ids"].shape[1]
        if width < len(encoding):
            raise _difference("token_ids", given)
        padding = np.zeros((width - len(encoding), 2), int)
        wanted = checkpoint.tokenizer.pad([encoding], length=width)
        wanted["bytes"] = np.concatenate([byte_offsets(checkpoint, given, encoding), padding])[None]
        wanted["is_cut"] = np.array([[len(whole[row]) > checkpoint.max_length]])
        _compare({**found, "bytes": np.stack([found["begins"], found["ends"]], axis=2)}, wanted, given)


def _check_together(tokenize: Tokenize, texts: list[str], checkpoint: Checkpoint) -> None:
    """Compare texts of different lengths, as many at once as a server may run."""
    sides = _sides(texts, checkpoint)
    for start in range(0, len(texts), ROWS):
        given = [side[start : start + ROWS] for side in sides]
        found = tokenize(
            **{name: byte_rows([one.encode() for one in rows]) for name, rows in zip(TEXT_INPUTS, given, strict=False)}
        )
        encodings = checkpoint.tokenizer.encode_batch(*given, max_length=checkpoint.max_length)
        _compare(found, checkpoint.tokenizer.pad(encodings), given)


def _sides(texts: list[str], checkpoint: Checkpoint) -> list[list[str]]:
    return [texts, [*texts[7:], *texts[:7]]] if checkpoint.pair else [texts]


def _named(rows: list[np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip(TEXT_INPUTS, rows, strict=False))


def _compare(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], given: list[Any]) -> None:
    for name, values in wanted.items():
        if found[name].tolist() != values.tolist():
            raise _difference(name, given)


def _difference(name: str, given: list[Any]) -> ExportError:
    return ExportError(
        f"the tokenizer in the file has other {name} than the tokenizer for {given!r}; export with --input ids"
    )


def check_answers(session: Session, ids: Engine, checkpoint: Checkpoint, comparison: Comparison) -> None:
    """Raise ExportError that shows the first text to which a file answers otherwise than to its ids.

    Args:
        session: of the file.
        ids: runs the same graph on ids.
        checkpoint: that the file was made from.
        comparison: of whose texts some are tried.
    """
    step = max(1, len(comparison.texts) // ANSWERED_TEXTS)
    for row in range(0, len(comparison.texts), step):
        given = [side[row] for side in (comparison.texts, comparison.pairs) if side is not None]
        if max(len(text.encode()) for text in given) > session.manifest.text["budget"]:
            continue
        encoding = checkpoint.tokenizer.encode(*given, max_length=checkpoint.max_length)
        # An engine with a tokenizer of its own always reads as many tokens.
        length = session.engine.max_tokens if isinstance(session.engine, Tokenizing) else None
        expected = ids.run(checkpoint.tokenizer.pad([encoding], length=length))
        found = run_texts(session.engine, given[:1], given[1:] or None, budget=session.manifest.text["budget"])
        for name, values in expected.items():
            if not np.allclose(found[name], values, rtol=TOLERANCE, atol=TOLERANCE):
                raise ExportError(f"the file answers to the text {given!r} otherwise than to its ids: {name}")


def byte_offsets(checkpoint: Checkpoint, texts: list[str], encoding: Encoding) -> np.ndarray:
    """Return the bytes of each token in its text, int (L, 2), where the encoding has the characters."""
    tokenizer, is_pair = checkpoint.tokenizer, len(texts) > 1
    room = checkpoint.max_length - tokenizer.template.num_special(is_pair=is_pair)
    first, second = [*(len(ids) for ids in tokenizer.encode_ids(texts)), 0][:2]
    kept = truncated_lengths(first, second, room) if is_pair else (min(first, room),)
    found, start = np.zeros_like(encoding.offsets), 0
    for text, _, _ in tokenizer.template.slots(is_pair=is_pair):
        stop = start + (1 if text is None else kept[text])
        if text is not None:
            byte_of = np.cumsum([0, *(len(character.encode()) for character in texts[text])])
            found[start:stop] = byte_of[encoding.offsets[start:stop]]
        start = stop
    return found


def random_texts(tokenizer: Tokenizer) -> list[str]:
    """Return texts of any characters, and of pieces of the vocabulary with and without blanks between them."""
    pick = random.Random(1)
    pieces = [tokenizer.token(number).replace("##", "") for number in range(tokenizer.vocabulary_size)]
    texts = []
    for _ in range(RANDOM_TEXTS // 2):
        first = pick.choice((0x20, 0x20, 0xA0, 0x300, 0x400, 0x600, 0x900, 0x1E00, 0x3000, 0x4E00, 0xAC00, 0x1F300))
        texts.append("".join(chr(first + pick.randrange(0x180)) for _ in range(pick.randrange(1, 40))))
        chosen = [pick.choice(pieces) for _ in range(pick.randrange(1, 20))]
        texts.append(pick.choice(("", " ")).join(chosen))
    return [text.encode("utf-8", "ignore").decode().rstrip("\0") for text in texts]
