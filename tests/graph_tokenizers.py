"""Tokenizers as graphs that take a few dozen bytes, each converted once."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from text_backends import BRACKETS, byte_bpe_backend, wordpiece_backend
from tokenizers import normalizers, processors

from kerastx.artifact import Manifest
from kerastx.runtime.engines.litert import LitertEngine
from kerastx.runtime.graph_tokenizer import GraphTokenizer
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.convert_tflite import convert_tokenizer
from kerastx_export.text_entry import text_entry
from kerastx_export.text_input import text_input

BUDGET, MAX_LENGTH = 160, 40


def _cased_without_ideographs():
    backend = wordpiece_backend(BRACKETS)
    backend.normalizer = normalizers.BertNormalizer(lowercase=False, handle_chinese_chars=False, strip_accents=False)
    return backend


def _untrimmed():
    backend = byte_bpe_backend()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False)
    return backend


KINDS: dict[str, Callable] = {
    "wordpiece": wordpiece_backend,
    "wordpiece-cased": _cased_without_ideographs,
    "byte-pair": byte_bpe_backend,
    "byte-pair-prefix": lambda: byte_bpe_backend(add_prefix_space=True),
    "byte-pair-untrimmed": _untrimmed,
}


@functools.cache
def library_tokenizer(kind: str) -> Tokenizer:
    """Return a tokenizer of a kind, over the library."""
    return Tokenizer(KINDS[kind]())


@functools.cache
def graph_tokenizer(kind: str, *, pair: bool = False, max_length: int = MAX_LENGTH) -> GraphTokenizer:
    """Return the same tokenizer as a graph, for texts of `BUDGET` bytes."""
    tokenizer = library_tokenizer(kind)
    checkpoint: Any = SimpleNamespace(tokenizer=tokenizer, pair=pair, max_length=max_length)  # all that is asked of it
    text = text_input(checkpoint, budget=BUDGET)
    with tempfile.TemporaryDirectory() as folder:
        engine = LitertEngine(convert_tokenizer(text, Path(folder) / "tokenizer"))
    return GraphTokenizer(manifest_of(tokenizer, text_entry(text, tokenizer), max_length, pair=pair), engine)


def manifest_of(tokenizer: Tokenizer, entry: dict, max_length: int = MAX_LENGTH, *, pair: bool = False) -> Manifest:
    """Return the manifest of a file with this entry for text."""
    return Manifest(
        task="classification",
        labels=(),
        tokenizer=tokenizer.to_json(),
        max_length=max_length,
        pair=pair,
        model={"vocabulary_size": tokenizer.vocabulary_size},
        recipe="fp32",
        signature={},
        text=entry,
    )
