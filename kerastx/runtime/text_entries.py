"""What the manifest says about the tokenizer in a graph, checked: a file is not to be trusted."""

from __future__ import annotations

from typing import Any

from kerastx.artifact import Manifest
from kerastx.errors import ArtifactError
from kerastx.runtime.engines import Engine, Tokenizing
from kerastx.text.word_breaks import WORD_BREAKS

_ENTRIES = ("inputs", "budget", "kind", "single", "pair", "pad_id", "sep_id")
# Fewer bytes do not hold a character beside what is put around a piece of a text.
SMALLEST_BUDGET = 8


def checked_text_entry(manifest: Manifest, engine: Engine | Tokenizing) -> dict[str, Any]:
    """Return the entry `text` of a file's manifest, see `kerastx.artifact.Manifest`; ArtifactError if it is wrong."""
    text = manifest.text
    if problem := _entry_problem(text, manifest) or _graph_problem(text, manifest, engine):
        raise ArtifactError(f"its manifest has a wrong entry: text {problem}")
    return text


def _entry_problem(text: dict[str, Any], manifest: Manifest) -> str:
    if sorted(text) != sorted(_ENTRIES):
        return f"has {', '.join(sorted(text)) or 'nothing'}; expected {', '.join(_ENTRIES)}: export the file again"
    if type(text["budget"]) is not int or text["budget"] < SMALLEST_BUDGET:
        return f"has the budget {text['budget']!r}; expected at least {SMALLEST_BUDGET} bytes"
    if not isinstance(text["kind"], str) or text["kind"] not in WORD_BREAKS:
        return f"has the kind {text['kind']!r}; expected one of {', '.join(WORD_BREAKS)}"
    size = manifest.model.get("source_vocabulary_size") or manifest.model.get("vocabulary_size")
    most = size if type(size) is int else 2**31
    for name in ("pad_id", "sep_id"):
        if not _is_id(text[name], most):
            return f"has the {name} {text[name]!r}, which is no id"
    for name, texts in (("single", [0]), ("pair", [0, 1])):
        slots = text[name]
        if not isinstance(slots, list) or not all(_is_slot(slot, most) for slot in slots):
            return f"has a template {name} that is not a list of [text, token id, segment id]"
        if [slot[0] for slot in slots if slot[0] is not None] != texts:
            return f"has a template {name} without the texts {texts}"
    return ""


def _graph_problem(text: dict[str, Any], manifest: Manifest, engine: Engine | Tokenizing) -> str:
    if list(engine.text_inputs) != text["inputs"]:
        return f"promises the inputs {text['inputs']}, the graph has {list(engine.text_inputs)}"
    if len(engine.text_inputs) != 1 + manifest.pair:
        return f"has the inputs {text['inputs']}, and the file is {'not ' * (not manifest.pair)}for pairs"
    if not isinstance(engine, Tokenizing):
        return ""
    if not engine.budgets:
        return "promises a tokenizer, the graph has none"
    if text["budget"] != engine.budgets[-1]:
        return f"promises {text['budget']} bytes, the graph takes {engine.budgets[-1]}"
    if engine.max_tokens != (most := _most_tokens(manifest)):
        return f"is of a graph of {engine.max_tokens} tokens, the file says {most}"
    return ""


def _most_tokens(manifest: Manifest) -> int:
    """Return how many tokens a graph answers: as many as texts are cut to, or as leave room behind a prompt."""
    places = manifest.model.get("max_sequence_length")
    if manifest.task != "language_model" or type(places) is not int:
        return manifest.max_length
    return min(places - 1, manifest.text["budget"])


def _is_slot(slot: Any, most: int) -> bool:
    if not isinstance(slot, list) or len(slot) != 3:
        return False
    text, token_id, segment_id = slot
    return (text is None or type(text) is int) and _is_id(token_id, most) and _is_id(segment_id, most)


def _is_id(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value < most
