"""What it costs that a file takes text: time, bytes and memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastx.runtime.session import Session
from kerastx_export.file_tokenizers import Tokenize, file_tokenizers
from kerastx_export.latency import median_ms, medians_ms
from kerastx_export.peak_memory import peak_memory_bytes
from kerastx_export.text_input import TextInput
from kerastx_export.tflite_grafting import IDS, TEXT, TOKENIZE, TOKENIZE_SHORT

SHORT_TOKENS = 16


@dataclass(frozen=True)
class TextCost:
    """What the tokenizer in a file takes; times are median CPU milliseconds for one text with one thread.

    Attributes:
        budget: bytes of a text that are read, whatever it is long.
        tokenize_ms: of these.
        short_budget: bytes that the tokenizer of short texts reads; the budget where there is none.
        short_tokenize_ms: of these.
        short_ids_ms: of the model for the ids of a text of 16 tokens.
        short_text_ms: of the runtime from this text to the answers, tokenizing included.
        tables_bytes: of the tokenizer's tables.
        peak_memory_bytes: signature -> growth of a process that loads the file and runs it once; an .onnx has one.
    """

    budget: int
    tokenize_ms: float
    short_budget: int
    short_tokenize_ms: float
    short_ids_ms: float
    short_text_ms: float
    tables_bytes: int
    peak_memory_bytes: dict[str, int]

    @property
    def short_ratio(self) -> float:
        """What a short text costs from text, as a multiple of what it costs from ids."""
        return self.short_text_ms / self.short_ids_ms

    def shares(self, latencies: dict[int, float]) -> dict[int, float]:
        """Return length -> tokenizing as a share of the model's milliseconds."""
        return {length: self.tokenize_ms / value for length, value in latencies.items()}

    def to_dict(self, latencies: dict[int, float]) -> dict[str, Any]:
        """Return the entry of report.json."""
        return {
            "budget": self.budget,
            "tokenize_ms": round(self.tokenize_ms, 3),
            "share_of_latency": {str(length): round(share, 4) for length, share in self.shares(latencies).items()},
            "short_text": {
                "budget": self.short_budget,
                "tokens": SHORT_TOKENS,
                "ids_ms": round(self.short_ids_ms, 3),
                "tokenize_ms": round(self.short_tokenize_ms, 3),
                "text_ms": round(self.short_text_ms, 3),
                "ratio": round(self.short_ratio, 3),
            },
            "tables_bytes": self.tables_bytes,
            "peak_memory_bytes": dict(self.peak_memory_bytes),
        }

    def rows(self, latencies: dict[int, float]) -> dict[str, str]:
        """Return what a table says, title -> cell."""
        shares = [f"{share:.1%} at {length}" for length, share in self.shares(latencies).items()]
        memory = {name: f"{size / 1e6:.1f} MB" for name, size in self.peak_memory_bytes.items()}
        return {
            "CPU ms to tokenize": f"{self.tokenize_ms:.2f} for {self.budget} bytes",
            "  of the model's ms": ", ".join(shares),
            f"CPU ms of {SHORT_TOKENS} tokens": f"{self.short_ids_ms:.2f}",
            "  from text": f"{self.short_text_ms:.2f}, {self.short_ratio:.2f} times",
            "tables to tokenize": f"{self.tables_bytes / 1e6:.2f} MB",
            **{f"peak memory of {name}": size for name, size in memory.items()},
        }


def measure_text_cost(path: Path, text: TextInput, session: Session, *, with_ids: bool) -> TextCost:
    """Measure the tokenizer in a file; `session` runs its graph on ids, which the file takes too if `with_ids`."""
    tokenizers = file_tokenizers(path, text)
    milliseconds = {budget: _tokenize_ms(tokenize, budget, text) for budget, tokenize in tokenizers.items()}
    max_length = session.manifest.max_length
    short_ids_ms, short_text_ms = _short_ms(session, is_pair=len(text.names) > 1)
    signatures = [IDS] * with_ids + [TOKENIZE] + [TOKENIZE_SHORT] * bool(text.short_budget) + [TEXT]
    if path.suffix == ".onnx":
        signatures = [TEXT]
    return TextCost(
        budget=text.budget,
        tokenize_ms=milliseconds[text.budget],
        short_budget=min(tokenizers),
        short_tokenize_ms=milliseconds[min(tokenizers)],
        short_ids_ms=short_ids_ms,
        short_text_ms=short_text_ms,
        tables_bytes=text.size_bytes,
        peak_memory_bytes={
            signature: peak_memory_bytes(path, length=max_length, signature=signature) for signature in signatures
        },
    )


def _tokenize_ms(tokenize: Tokenize, budget: int, text: TextInput) -> float:
    row = np.frombuffer((b"a text of words " * budget)[:budget], np.uint8).reshape(1, budget)
    return median_ms(lambda: tokenize(**dict.fromkeys(text.names, row)))


def _short_ms(session: Session, *, is_pair: bool) -> tuple[float, ...]:
    """Return the milliseconds of a short text, or pair, from its ids and from its characters, by turns."""
    tokenizer, max_length = session.tokenizer, min(SHORT_TOKENS, session.manifest.max_length)
    room = max_length - tokenizer.template.num_special(is_pair=is_pair)
    words = ("a text of words " * SHORT_TOKENS).split()
    given = [[" ".join(words[: room // (1 + is_pair)])] for _ in range(1 + is_pair)]

    def inputs() -> dict[str, np.ndarray]:
        return tokenizer.pad(tokenizer.encode_batch(*given, max_length=max_length))

    ids = inputs()
    return medians_ms(lambda: session.engine.run(ids), lambda: session.engine.run(inputs()))
