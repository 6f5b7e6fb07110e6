"""What the manifest of a file that takes text says about its tokenizer, for a runtime that has only the graph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kerastx.text.template import Slot
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.text_input import TextInput


def text_entry(text: TextInput, tokenizer: Tokenizer, *, single: Sequence[Slot] | None = None) -> dict[str, Any]:
    """Return the entry `text`, see `kerastx.artifact.Manifest`; `single` is a template of its own of one text."""
    return {
        "inputs": list(text.names),
        "budget": text.budget,
        "kind": _kind(tokenizer),
        "single": [list(slot) for slot in single or tokenizer.template.single],
        "pair": [list(slot) for slot in tokenizer.template.pair],
        "pad_id": tokenizer.pad_id,
        "sep_id": tokenizer.sep_id,
    }


def _kind(tokenizer: Tokenizer) -> str:
    """Return the key of `kerastx.text.word_breaks.WORD_BREAKS`."""
    if tokenizer.family == "BPE":
        return "byte_pair"
    normalizer = json.loads(tokenizer.to_json())["normalizer"]
    return "wordpiece_ideographs" if normalizer["handle_chinese_chars"] else "wordpiece"
