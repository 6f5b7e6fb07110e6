"""A tokenizer's graph put in front of a model's: one flatbuffer, weights and tables once, several ways in.

TFLite converts every signature by itself and folds what it can, so that the same weights come out different where
shapes are known. The graphs are therefore converted apart and joined here: `ids`, `tokenize` and
`tokenize_short` as they are, and `text` as the operators of `tokenize` and `ids`, one behind the other.
"""

from __future__ import annotations

import copy
from typing import Any

from kerastx_export.tflite_places import add_places

IDS, TOKENIZE, TOKENIZE_SHORT, TEXT = "ids", "tokenize", "tokenize_short", "text"
_SUBGRAPH_FIELDS = ("condSubgraphIndex", "bodySubgraphIndex", "thenSubgraphIndex", "elseSubgraphIndex")


def graft(model: Any, tokenizer: Any, *, task: str, with_ids: bool = True) -> None:
    """Give a model (`schema.ModelT`) the signatures of a tokenizer, and text; the one it has is called ids from now on.

    Args:
        model: changed in place; one signature.
        task: of the model; see `add_places` for what `text` answers besides.
        with_ids: otherwise there is no signature ids: `text` takes its place.
        tokenizer: a `schema.ModelT` with the signature tokenize, whose outputs have the names of the model's inputs,
            and more; maybe with tokenize_short.
    """
    (ids,) = model.signatureDefs
    tokenizers = add_tokenizers(model, tokenizer)
    tokenize = tokenizers[0]
    ids.signatureKey = IDS.encode()
    answering = model.subgraphs[ids.subgraphIndex]
    tokenizing = model.subgraphs[tokenize.subgraphIndex]
    given = _by_name(tokenize.outputs)
    joined, moved = _joined(tokenizing, answering, given, _by_name(ids.inputs))
    text = copy.deepcopy(tokenize)
    text.signatureKey, text.subgraphIndex = TEXT.encode(), len(model.subgraphs)
    text.outputs = copy.deepcopy(ids.outputs)
    for item in text.outputs:
        item.tensorIndex = moved(item.tensorIndex)
    if with_ids:
        model.subgraphs.append(joined)
        model.signatureDefs = [ids, *tokenizers, text]
    else:
        model.subgraphs[ids.subgraphIndex], text.subgraphIndex = joined, ids.subgraphIndex
        model.signatureDefs = [text, *tokenizers]
    add_places(model, text, task=task, given=given)


def add_tokenizers(model: Any, tokenizer: Any) -> list[Any]:
    """Give a model the signatures of a tokenizer beside its own; return their entries, tokenize first.

    Args:
        model: a `schema.ModelT`, changed in place.
        tokenizer: see `graft`; not to be used elsewhere any more.
    """
    entries = sorted(tokenizer.signatureDefs, key=lambda entry: entry.signatureKey)
    first = len(model.subgraphs)
    model.subgraphs += _moved(model, tokenizer, first)
    for entry in entries:
        entry.subgraphIndex += first
    entries[0].signatureKey = TOKENIZE.encode()
    model.signatureDefs = [*model.signatureDefs, *entries]
    return entries


def _moved(model: Any, tokenizer: Any, first: int) -> list[Any]:
    """Return the tokenizer's subgraphs with the numbers that their operators and constants get in the model."""
    codes = []
    known = {_code(code): number for number, code in enumerate(model.operatorCodes)}
    for code in tokenizer.operatorCodes:
        if _code(code) not in known:
            known[_code(code)] = len(model.operatorCodes)
            model.operatorCodes.append(code)
        codes.append(known[_code(code)])
    offset = len(model.buffers)
    model.buffers += tokenizer.buffers
    for graph in tokenizer.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer += offset
        for operator in graph.operators:
            operator.opcodeIndex = codes[operator.opcodeIndex]
            for field in _SUBGRAPH_FIELDS:
                if hasattr(operator.builtinOptions, field):
                    setattr(operator.builtinOptions, field, getattr(operator.builtinOptions, field) + first)
    return tokenizer.subgraphs


def _code(code: Any) -> tuple[Any, ...]:
    return code.builtinCode, code.deprecatedBuiltinCode, code.version, code.customCode


def _joined(tokenizing: Any, answering: Any, given: dict[str, int], wanted: dict[str, int]) -> tuple[Any, Any]:
    """Return a subgraph of both, and where it has a tensor of the second one."""
    joined = copy.deepcopy(tokenizing)
    joined.name = TEXT.encode()
    behind = copy.deepcopy(answering)
    offset = len(joined.tensors)
    replaced = {wanted[name]: given[name] for name in wanted}

    def moved(number: int) -> int:
        return number if number < 0 else replaced.get(number, number + offset)

    for operator in behind.operators:
        operator.inputs = [moved(int(number)) for number in operator.inputs]
        operator.outputs = [moved(int(number)) for number in operator.outputs]
    joined.tensors += behind.tensors
    joined.operators += behind.operators
    joined.outputs = [moved(int(number)) for number in behind.outputs]
    return joined, moved


def _by_name(items: list[Any]) -> dict[str, int]:
    return {item.name.decode(): item.tensorIndex for item in items}
