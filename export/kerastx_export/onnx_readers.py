"""What an .onnx that writes does beside its step, each in a branch of the one graph: reading sources, cutting texts."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from kerastx.runtime.step_names import SOURCE_IDS, TEXT, new, read
from kerastx_export.onnx_branches import named, with_branch


def with_encoder(step: onnx.ModelProto, encode: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph of a step that encodes as well.

    Args:
        step: takes source_padding_mask, and the keys and values of sources, beside its own inputs.
        encode: of source_token_ids and source_padding_mask, to those keys and values by the same names.
    """
    given = helper.make_tensor_value_info(SOURCE_IDS, TensorProto.INT32, ["B_read", "R_read"])
    return with_branch(step, encode, name="encode", given=given, answers=[_keys(one) for one in encode.graph.output])


def _keys(tensor: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    answer = named(tensor, new(tensor.name))
    rows, _, length, _ = answer.type.tensor_type.shape.dim
    rows.dim_param, length.dim_param = "B_read", "R_read"
    return answer


def with_tokenizer(step: onnx.ModelProto, tokenizer: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph of a step that cuts texts as well.

    Args:
        step: as it is, or with an encoder.
        tokenizer: of `text`, uint8 (B, budget), to TOKENIZED of a fixed number of tokens.
    """
    (text,) = tokenizer.graph.input
    given = helper.make_tensor_value_info(TEXT, TensorProto.UINT8, ["B_text", _width(text)])
    answers = [_tokens(one) for one in tokenizer.graph.output]
    return with_branch(step, tokenizer, name="tokenize", given=given, answers=answers)


def _tokens(tensor: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    answer = named(tensor, read(tensor.name))
    answer.type.tensor_type.shape.dim[0].dim_param = "B_text"
    return answer


def _width(tensor: onnx.ValueInfoProto) -> int:
    return tensor.type.tensor_type.shape.dim[1].dim_value
