"""A tokenizer's graph put in front of a model's: one ONNX graph that reads bytes, or ids, or either."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from kerastx.runtime.results import BYTE_OUTPUTS, CUT
from kerastx_export.onnx_tokenizer import TOKENS
from kerastx_export.signature import INPUTS

_PREFIX = "tokenizer/"
_NAMES = {name: f"tokens/{name}" for name in TOKENS}
_TYPES = {name: TensorProto.BOOL if name in ("padding_mask", CUT) else TensorProto.INT32 for name in TOKENS}


def join(tokenizer: onnx.ModelProto, model: onnx.ModelProto, *, task: str, with_ids: bool) -> onnx.ModelProto:
    """Return one graph of both, the weights once.

    It answers what the model does, `is_cut` bool (B, 1), and for entities and answers their bytes.

    Args:
        tokenizer: see `tokenizer_graph`.
        model: of token_ids, segment_ids and padding_mask.
        task: of the model.
        with_ids: these three stay inputs, which need not be given: where token_ids has no element, as by default, the
            texts are read, and where it has, the ids.
    """
    inputs = [
        _rows(tensor.name, TensorProto.UINT8, ("texts", f"{tensor.name}_bytes")) for tensor in tokenizer.graph.input
    ]
    if with_ids:
        inputs += model.graph.input
        nodes, constants = _either(tokenizer.graph)
    else:
        nodes, constants = _renamed(tokenizer.graph, _NAMES)
    nodes += [_reading_tokens(node) for node in model.graph.node]
    byte_nodes, byte_outputs, more = _bytes(task)
    joined = helper.make_graph(
        [*nodes, *byte_nodes, helper.make_node("Identity", [_NAMES[CUT]], [CUT], name=CUT)],
        model.graph.name,
        inputs,
        [*model.graph.output, *byte_outputs, _rows(CUT, TensorProto.BOOL, ("B", 1))],
        [*constants, *more, *model.graph.initializer],
    )
    found = helper.make_model(joined, opset_imports=model.opset_import, ir_version=model.ir_version)
    found.producer_name = model.producer_name
    return found


def tokenizer_in(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return of what `join` made the part in front of the model: it answers TOKENS, under their names."""
    shown = {name: f"shown/{name}" for name in TOKENS}
    wanted, nodes = set(_NAMES.values()), []
    for node in model.graph.node:
        if not wanted:
            break
        nodes.append(node)
        wanted -= set(node.output)
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        [*nodes, *(helper.make_node("Identity", [_NAMES[name]], [to], name=to) for name, to in shown.items())],
        "tokenizer",
        model.graph.input,
        [_rows(to, _TYPES[name], _shape(name)) for name, to in shown.items()],
        [tensor for tensor in model.graph.initializer if tensor.name in {*used, *INPUTS}],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _shape(name: str) -> tuple[str | int, ...]:
    # onnxruntime reuses memory by these names: the same one always means the same size.
    return ("rows", 1) if name == CUT else ("rows", "tokens")


def _rows(name: str, kind: int, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _reading_tokens(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = [_NAMES.get(name, name) for name in node.input]
    return copy


def _renamed(graph: onnx.GraphProto, outputs: dict[str, str]) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    """Return nodes and constants of a graph under names that no other graph has."""
    given = {tensor.name for tensor in graph.input}

    def named(name: str) -> str:
        return outputs.get(name) or (name if name in given or not name else f"{_PREFIX}{name}")

    nodes, constants = [], []
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = f"{_PREFIX}{node.name}"
        copy.input[:], copy.output[:] = map(named, node.input), map(named, node.output)
        nodes.append(copy)
    for tensor in graph.initializer:
        constant = TensorProto()
        constant.CopyFrom(tensor)
        constant.name = named(tensor.name)
        constants.append(constant)
    return nodes, constants


def _either(tokenizer: onnx.GraphProto) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    """Return nodes that tokenize, or hand on the ids that were given, and what stands for ids that were not."""
    tokenize, take = ({name: f"{branch}/{name}" for name in TOKENS} for branch in ("tokenize", "take_ids"))
    branches = {
        "then_branch": _branch(*_renamed(tokenizer, tokenize), tokenize),
        "else_branch": _branch(*_given_ids(take), take),
    }
    constants = [helper.make_tensor(name, _TYPES[name], (0, 0), []) for name in INPUTS]
    constants.append(helper.make_tensor("tokens/none", TensorProto.INT64, (), [0]))
    size, is_text = "tokens/given", "tokens/is_text"
    return [
        helper.make_node("Size", ["token_ids"], [size], name=size),
        helper.make_node("Equal", [size, constants[-1].name], [is_text], name=is_text),
        helper.make_node("If", [is_text], list(_NAMES.values()), name="tokens", **branches),
    ], constants


def _branch(nodes: list[onnx.NodeProto], constants: list[TensorProto], outputs: dict[str, str]) -> onnx.GraphProto:
    answers = [_rows(renamed, _TYPES[name], _shape(name)) for name, renamed in outputs.items()]
    return helper.make_graph(nodes, outputs["token_ids"].split("/")[0], [], answers, constants)


def _given_ids(outputs: dict[str, str]) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    """Return nodes that hand on the ids, and say that nothing was cut and that their bytes are not known."""
    zero = helper.make_tensor("take_ids/zero", TensorProto.INT32, (), [0])
    first, second = (helper.make_tensor(f"take_ids/{number}", TensorProto.INT64, (1,), [number]) for number in (0, 1))
    column = "take_ids/column"
    return [
        *(helper.make_node("Identity", [name], [outputs[name]], name=outputs[name]) for name in INPUTS),
        *(
            helper.make_node("Mul", ["token_ids", zero.name], [outputs[name]], name=outputs[name])
            for name in ("begins", "ends")
        ),
        helper.make_node("Slice", [outputs["begins"], first.name, second.name, second.name], [column], name=column),
        helper.make_node("Cast", [column], [outputs[CUT]], name=outputs[CUT], to=TensorProto.BOOL),
    ], [zero, first, second]


def _bytes(task: str) -> tuple[list[onnx.NodeProto], list[onnx.ValueInfoProto], list[TensorProto]]:
    """Return nodes, outputs and constants for the bytes of each token of a text to be tagged, or of each span."""
    sources = dict(zip(BYTE_OUTPUTS, (_NAMES["begins"], _NAMES["ends"]), strict=True))
    constants: list[TensorProto] = []
    if task == "tagging":
        width = "T"
        nodes = [helper.make_node("Identity", [source], [name], name=name) for name, source in sources.items()]
    elif task == "span":
        width = "K"
        nodes = []
        for name, at in zip(BYTE_OUTPUTS, ("starts", "ends"), strict=True):
            # What is no span, by its score, may end behind the text.
            inside = f"tokens/{at}_within"
            nodes += [
                helper.make_node("Min", [at, "tokens/last"], [inside], name=inside),
                helper.make_node("GatherElements", [sources[name], inside], [name], name=name, axis=1),
            ]
        one = helper.make_tensor("tokens/one", TensorProto.INT32, (), [1])
        nodes = [*_last_place(one.name), *nodes]
        constants.append(one)
    else:
        return [], [], []
    return nodes, [_rows(name, TensorProto.INT32, ("B", width)) for name in BYTE_OUTPUTS], constants


def _last_place(one: str) -> list[onnx.NodeProto]:
    names = [f"tokens/{name}" for name in ("width", "count", "last")]
    return [
        helper.make_node("Shape", [_NAMES["token_ids"]], names[:1], name=names[0], start=1),
        helper.make_node("Cast", names[:1], names[1:2], name=names[1], to=TensorProto.INT32),
        helper.make_node("Sub", [names[1], one], names[2:], name=names[2]),
    ]
