"""An .onnx that writes has its encoder and its tokenizer in branches beside the step, which runs without them."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest
from writer_texts import CHECKPOINTS

from kerastx.artifact import read_artifact
from kerastx.errors import ArtifactError
from kerastx.runtime.engines import TOKENIZED
from kerastx.runtime.engines.onnx_steps import OnnxSteps
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.convert_onnx import check_standard, graphs
from kerastx_export.export import export_checkpoint

LARGE = 64  # elements


@pytest.fixture(scope="module", params=["gpt2", "wordpiece", "bart"])
def path(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files") / request.param
    return export_checkpoint(CHECKPOINTS[request.param](), folder, formats=("onnx",), recipe="fp32").paths[0]


def session_of(path):
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def step_inputs(session, *, length):
    """A step of one row behind an empty cache, its sources of one token: what must be given, and nothing else."""
    given = {}
    for tensor in session.get_inputs():
        width = {"token_ids": length, "positions": length, "cached_positions": 0}.get(tensor.name, 1)
        if len(tensor.shape) == 2:
            values = np.tile(np.arange(width), (1, 1))
            given[tensor.name] = values.astype(bool if tensor.type == "tensor(bool)" else np.int32)
            continue
        slots = 1 if tensor.name.startswith("source_") else 0
        given[tensor.name] = np.zeros((1, tensor.shape[1], slots, tensor.shape[3]), np.float32)
    return given


def test_what_is_read_need_not_be_given(path):
    session = session_of(path)
    optional = {tensor.name: tensor.shape for tensor in session.get_overridable_initializers()}
    assert optional.pop("text") == ["B_text", 512]
    assert list(optional) == (["source_token_ids"] if "seq2seq" in path.name else [])
    outputs = [tensor.name for tensor in session.get_outputs()]
    answered = dict(zip(outputs, session.run(None, step_inputs(session, length=3)), strict=True))
    assert answered["logits"].shape[0] == 1
    assert np.isfinite(answered["logits"]).all()
    read = {name: values.shape[0] for name, values in answered.items() if name.startswith(("read_", "new_source_"))}
    assert set(read) >= {f"read_{name}" for name in TOKENIZED}
    assert set(read.values()) == {0}


def test_texts_do_not_change_the_step(path):
    session = session_of(path)
    given = step_inputs(session, length=3)
    text = np.frombuffer(b"the cat".ljust(512, b"\0"), np.uint8)[None]
    expected, found = (session.run(["logits"], {**given, **texts})[0] for texts in ({}, {"text": text}))
    np.testing.assert_array_equal(found, expected)


def test_several_texts_are_cut_at_once(path):
    session = session_of(path)
    texts = ["the cat", "", "The naïve owner's 今天"]
    rows = np.stack([np.frombuffer(text.encode().ljust(512, b"\0"), np.uint8) for text in texts])
    names = ["read_token_ids", "read_lengths", "read_is_cut"]
    ids, lengths, is_cut = session.run(names, {**step_inputs(session, length=1), "text": rows})
    manifest = read_artifact(path).manifest
    slots = manifest.text["single"]
    place = next(number for number, slot in enumerate(slots) if slot[0] is not None)
    before, behind = ([slot[1] for slot in part] for part in (slots[:place], slots[place + 1 :]))
    expected = Tokenizer.from_json(manifest.tokenizer).encode_ids(texts)
    for row, length, one in zip(ids, lengths[:, 0], expected, strict=True):
        assert row[:length].tolist() == [*before, *one.tolist(), *behind]
    assert not is_cut.any()


def test_the_operators_are_standard_and_tables_are_there_once(path):
    model = onnx.load(path)
    check_standard(model)
    large = [
        tensor.raw_data
        for graph in graphs(model.graph)
        for tensor in graph.initializer
        if math.prod(tensor.dims) > LARGE
    ]
    assert len(set(large)) == len(large)


def test_what_is_inside_of_a_branch_has_names_of_its_own(path):
    graph, *inner = graphs(onnx.load(path).graph)
    outside = {name for node in graph.node for name in node.output} | {tensor.name for tensor in graph.initializer}
    for body in inner:
        own = {name for node in body.node for name in node.output} | {tensor.name for tensor in body.initializer}
        assert not own & outside


def altered(path, change):
    model = onnx.load(path)
    change(model.graph)
    return model.SerializeToString()


def with_other_text(graph):
    for tensor in (*graph.input, *graph.initializer):
        tensor.name = tensor.name.replace("text", "words")
    for node in (node for part in graphs(graph) for node in part.node):
        node.input[:] = ["words" if name == "text" else name for name in node.input]


def without_ends(graph):
    del graph.output[[tensor.name for tensor in graph.output].index("read_ends")]


def of_any_size(graph):
    for tensor in (*graph.input, *graph.output):
        if tensor.name in ("text", "read_token_ids"):
            tensor.type.tensor_type.shape.dim[1].dim_param = "any"


def with_text_that_must_be_given(graph):
    del graph.initializer[[tensor.name for tensor in graph.initializer].index("text")]


def test_a_text_that_must_be_given_is_given_empty(path):
    steps, other = OnnxSteps(path.read_bytes()), OnnxSteps(altered(path, with_text_that_must_be_given))
    given = step_inputs(session_of(path), length=2)
    tokens, positions = given["token_ids"], given["positions"]
    source = {name: values for name, values in given.items() if name.startswith("source_")}
    expected, found = (
        one.step(tokens, positions, one.empty_cache(1, 4), first_slot=0, source=source)[0] for one in (steps, other)
    )
    np.testing.assert_array_equal(found, expected)
    for name, values in steps.tokenize([b"the cat"]).items():
        np.testing.assert_array_equal(other.tokenize([b"the cat"])[name], values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            without_ends,
            r"expected a tokenizer of bytes in the graph, found one of uint8 \(any, 512\) to token_ids int32",
        ),
        (of_any_size, r"expected a tokenizer of bytes in the graph, found one of uint8 \(any, any\) to token_ids"),
        (
            with_other_text,
            r"expected a step of \[.*\] in the graph, found one of \[.*'words'\] that answers \[.*'read_token_ids'",
        ),
    ],
)
def test_a_tokenizer_that_is_not_ours(path, change, message):
    with pytest.raises(ArtifactError, match=message) as raised:
        OnnxSteps(altered(path, change))
    assert "\n" not in str(raised.value)
