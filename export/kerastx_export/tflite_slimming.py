"""A converted graph without what no runtime needs: operators and tensors that nobody reads, names, equal constants."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np


def slim(model: Any) -> None:
    """Drop from a `schema.ModelT`, in place, what its answers do not depend on.

    Inputs and outputs keep their names; of other tensors they are a tenth of a small file.
    """
    for number, graph in enumerate(model.subgraphs):
        _drop_unread_operators(graph)
        entries = [entry for entry in model.signatureDefs if entry.subgraphIndex == number]
        _drop_unused_tensors(graph, [item for entry in entries for item in (*entry.inputs, *entry.outputs)])
        _drop_names(graph)
    model.metadata = None
    share_buffers(model)


def share_buffers(model: Any) -> None:
    """Keep one buffer of each content; the first, which is empty, serves all tensors without data."""
    kept: dict[bytes, int] = {b"": 0}
    buffers = model.buffers[:1]
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            content = b"" if data is None else bytes(data)
            if content not in kept:
                kept[content] = len(buffers)
                buffers.append(model.buffers[tensor.buffer])
            tensor.buffer = kept[content]
    model.buffers = buffers


def _drop_unread_operators(graph: Any) -> None:
    read = {int(number) for number in graph.outputs}
    kept = []
    for operator in reversed(graph.operators):  # whoever reads stands behind whoever makes
        if read.intersection(map(int, operator.outputs)):
            kept.append(operator)
            read.update(map(int, operator.inputs))
    graph.operators = kept[::-1]


def _drop_unused_tensors(graph: Any, entries: list[Any]) -> None:
    """Drop tensors, and let operators, the graph and `entries` of signatures have the new numbers."""
    numbers = [graph.inputs, graph.outputs]
    numbers += itertools.chain.from_iterable((node.inputs, node.outputs) for node in graph.operators)
    used = sorted({int(number) for group in numbers for number in group if number >= 0})
    new = {-1: -1} | {number: place for place, number in enumerate(used)}
    graph.tensors = [graph.tensors[number] for number in used]
    for holder in (graph, *graph.operators):
        for side in ("inputs", "outputs"):
            setattr(holder, side, np.array([new[int(number)] for number in getattr(holder, side)], np.int32))
    for item in entries:
        item.tensorIndex = new[int(item.tensorIndex)]


def _drop_names(graph: Any) -> None:
    told = {int(number) for number in (*graph.inputs, *graph.outputs)}
    for number, tensor in enumerate(graph.tensors):
        if number not in told:
            tensor.name = None
        if tensor.quantization is not None and tensor.quantization.scale is None:
            tensor.quantization = None
