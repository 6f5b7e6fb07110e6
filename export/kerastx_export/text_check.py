"""Does the tokenizer inside of a file cut texts as the one it was made from?"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ExportError
from kerastx_export.probe_texts import ODD_TEXTS
from kerastx_export.text_input import TextInput
from kerastx_export.tflite_grafting import TOKENIZE

RANDOM_TEXTS = 300


def check_tokenizer(path: Path, text: TextInput, checkpoint: Checkpoint) -> None:
    """Raise ExportError that shows the first text of which a .tflite file makes other ids, segments or bytes.

    Compared on odd texts, on random ones of all of Unicode, and on strings of pieces of the vocabulary.
    """
    from ai_edge_litert.interpreter import Interpreter

    tokenize = Interpreter(model_path=str(path), num_threads=1).get_signature_runner(TOKENIZE)
    texts = [one for one in [*ODD_TEXTS, *random_texts(checkpoint)] if len(one.encode()) <= text.budget]
    pairs = [*texts[7:], *texts[:7]] if checkpoint.pair else None
    expected = checkpoint.tokenizer.encode_batch(texts, pairs, max_length=checkpoint.max_length)
    for row, encoding in enumerate(expected):
        given = [texts[row]] if pairs is None else [texts[row], pairs[row]]
        found = tokenize(**{name: as_bytes(one, text.budget) for name, one in zip(text.names, given, strict=True)})
        count = int(found["lengths"][0, 0])
        sides = {name: (found[name][0, :count], getattr(encoding, name)) for name in ("token_ids", "segment_ids")}
        for name, (got, wanted) in sides.items():
            if got.tolist() != wanted.tolist():
                raise ExportError(f"the tokenizer in the file has other {name} than the tokenizer for {given!r}")


def as_bytes(text: str, budget: int) -> np.ndarray:
    """Return uint8 (1, budget), zeros behind the text."""
    row = np.zeros((1, budget), np.uint8)
    content = text.encode()
    row[0, : len(content)] = np.frombuffer(content, np.uint8)
    return row


def random_texts(checkpoint: Checkpoint) -> list[str]:
    """Return texts of any characters, and of pieces of the vocabulary with and without blanks between them."""
    pick = random.Random(1)
    pieces = [
        checkpoint.tokenizer.token(number).replace("##", "") for number in range(checkpoint.tokenizer.vocabulary_size)
    ]
    texts = []
    for _ in range(RANDOM_TEXTS // 2):
        first = pick.choice((0x20, 0x20, 0xA0, 0x300, 0x400, 0x600, 0x900, 0x1E00, 0x3000, 0x4E00, 0xAC00, 0x1F300))
        texts.append("".join(chr(first + pick.randrange(0x180)) for _ in range(pick.randrange(1, 40))))
        chosen = [pick.choice(pieces) for _ in range(pick.randrange(1, 20))]
        texts.append(pick.choice(("", " ")).join(chosen))
    return [text.encode("utf-8", "ignore").decode().rstrip("\0") for text in texts]
