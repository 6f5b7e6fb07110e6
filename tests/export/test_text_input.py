"""Files that take text: the tokenizer inside of the graph, four ways in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from small_classifier import small_classifier
from text_backends import VARIED, unigram_backend

from kerastx.errors import ExportError
from kerastx.runtime.session import load
from kerastx.runtime.text_runs import byte_rows
from kerastx.text.tokenizer import Tokenizer
from kerastx_export import text_check
from kerastx_export.export import export_checkpoint
from kerastx_export.text_input import text_input
from kerastx_export.tflite_graph import TfliteGraph

# What a runtime must know to tokenize; a new operator here is one more that a phone or a browser may lack.
WORDPIECE_OPERATORS = {
    "ABS", "ADD", "CAST", "CUMSUM", "EQUAL", "FLOOR_DIV", "FLOOR_MOD", "GATHER", "GREATER", "GREATER_EQUAL", "LESS",
    "LESS_EQUAL", "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM", "MINIMUM", "MUL", "NOT_EQUAL", "PAD", "PADV2", "RESHAPE",
    "SELECT", "SELECT_V2", "STRIDED_SLICE", "SUB", "SUM", "TOPK_V2",
}  # fmt: skip
BYTE_PAIR_OPERATORS = WORDPIECE_OPERATORS | {"LOGICAL_NOT", "REDUCE_MAX", "WHILE"}

SIGNATURES = ("ids", "tokenize", "tokenize_short", "text")


@pytest.fixture(scope="module", params=["wordpiece", "pair", "byte-pair"])
def exported(request, text_export):
    """A checkpoint, the file that was made of it, and the runners of its signatures."""
    checkpoint, _, stem = text_export(request.param)
    path = stem.with_suffix(".tflite")
    interpreter = Interpreter(str(path))
    return checkpoint, path, {name: interpreter.get_signature_runner(name) for name in SIGNATURES}


def inputs_of(runner, texts):
    details = runner.get_input_details()
    size = next(iter(details.values()))["shape"][1]
    return {name: byte_rows([text.encode()], size) for name, text in zip(("text", "pair"), texts, strict=False)}


def given(checkpoint, budget=512):
    texts = [text for text in VARIED if len(text.encode()) <= budget]
    return [(one, other) if checkpoint.pair else (one,) for one, other in zip(texts, texts[::-1], strict=True)]


def test_the_file_cuts_texts_as_the_tokenizer_does(exported):
    checkpoint, _, runners = exported
    for texts in given(checkpoint):
        found = runners["tokenize"](**inputs_of(runners["tokenize"], texts))
        expected = checkpoint.tokenizer.encode(*texts, max_length=checkpoint.max_length)
        padded = checkpoint.tokenizer.pad([expected], length=checkpoint.max_length)
        for name, values in padded.items():
            assert found[name].tolist() == values.tolist(), texts
        assert found["lengths"][0, 0] == len(expected)
        assert found["is_cut"][0, 0] == (len(checkpoint.tokenizer.encode(*texts)) > checkpoint.max_length)


def test_a_short_text_has_a_tokenizer_of_its_own_that_answers_the_same(exported):
    checkpoint, path, runners = exported
    assert load(path).engine.budgets == (96, 512)
    short = given(checkpoint, 96)
    assert len(short) > 10
    for texts in short:
        expected = runners["tokenize"](**inputs_of(runners["tokenize"], texts))
        found = runners["tokenize_short"](**inputs_of(runners["tokenize_short"], texts))
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, err_msg=f"{name} of {texts}")


def test_the_tables_are_in_the_file_once(exported):
    _, path, _ = exported
    model = TfliteGraph(path.read_bytes()).model
    tokenizers = [
        model.subgraphs[entry.subgraphIndex] for entry in model.signatureDefs if "tok" in str(entry.signatureKey)
    ]
    sizes = [0 if buffer.data is None else len(buffer.data) for buffer in model.buffers]
    tables = [{tensor.buffer for tensor in graph.tensors if sizes[tensor.buffer] > 4096} for graph in tokenizers]
    all_bytes, short = tables
    assert short
    assert short <= all_bytes


def test_all_ways_in_give_one_answer(exported):
    checkpoint, path, runners = exported
    session = load(path)
    for texts in given(checkpoint):
        inputs = inputs_of(runners["tokenize"], texts)
        tokens = runners["tokenize"](**inputs)
        names = ("token_ids", "segment_ids", "padding_mask")
        ids = runners["ids"](**{name: tokens[name][:, : tokens["lengths"][0, 0]] for name in names})
        text = runners["text"](**inputs)
        expected = session.predict([texts[0]], [texts[1]] if checkpoint.pair else None)
        for name, values in expected.items():
            np.testing.assert_allclose(ids[name], values, atol=1e-5)
            # Padded to its full length the row is quantized with other scales.
            np.testing.assert_allclose(text[name], values, atol=0.03)


def test_the_weights_are_in_the_file_once(exported):
    _, path, _ = exported
    graph = TfliteGraph(path.read_bytes())
    largest = max(len(buffer.data) for buffer in graph.model.buffers if buffer.data is not None)
    holders = [buffer for buffer in graph.model.buffers if buffer.data is not None and len(buffer.data) == largest]
    assert len({bytes(buffer.data) for buffer in holders}) == len(holders)
    assert load(path).manifest.text["budget"] == 512


def test_which_operators_a_tokenizer_needs(exported):
    checkpoint, path, _ = exported
    graph = TfliteGraph(path.read_bytes())
    wanted = BYTE_PAIR_OPERATORS if checkpoint.tokenizer.family == "BPE" else WORDPIECE_OPERATORS
    number = graph.model.signatureDefs[1].subgraphIndex
    used = graph.operators_of(range(number, len(graph.model.subgraphs) - 1))
    assert used <= wanted, f"new operators: {', '.join(sorted(used - wanted))}"


def test_a_wrong_tokenizer_of_short_texts_is_not_kept(tmp_path, text_export):
    checkpoint, _, stem = text_export("wordpiece")
    text = text_input(checkpoint)
    path = tmp_path / "both.tflite"
    graph = TfliteGraph(stem.with_suffix(".tflite").read_bytes())
    entry = next(entry for entry in graph.model.signatureDefs if entry.signatureKey == b"tokenize_short")
    numbers = {item.name: item for item in entry.outputs}
    swapped = numbers[b"begins"], numbers[b"segment_ids"]
    swapped[0].tensorIndex, swapped[1].tensorIndex = swapped[1].tensorIndex, swapped[0].tensorIndex
    path.write_bytes(graph.packed())
    with pytest.raises(ExportError, match="the tokenizer in the file has other segment_ids"):
        text_check.check_tokenizer(path, text, checkpoint)


@pytest.mark.parametrize(("size", "short"), [(200, 96), (191, None), (None, 96)])
def test_how_many_bytes_of_a_text_are_read(size, short):
    text = text_input(small_classifier(), budget=size)
    assert text.budget == (size or 512)
    assert text.short_budget == short
    assert [spec.shape.as_list() for spec in text.specs(1, size=text.budget)] == [[1, size or 512]]


def test_a_file_reads_as_many_bytes_as_wanted(few_bytes):
    _, path = few_bytes
    assert load(path).manifest.text["budget"] == 150
    runners = Interpreter(str(path)).get_signature_list()
    assert sorted(runners) == ["ids", "text", "tokenize"]
    assert Interpreter(str(path)).get_signature_runner("text").get_input_details()["text"]["shape"].tolist() == [1, 150]


def test_too_few_bytes():
    with pytest.raises(ValueError, match="31 bytes cannot fill the 32 tokens of this model: expected at least 32"):
        text_input(small_classifier(), budget=31)
    with pytest.raises(ValueError, match="text_bytes is of files that take text: inputs='both' or 'text'"):
        export_checkpoint(small_classifier(), "out", inputs="ids", text_bytes=600)


def test_what_cannot_take_text(tmp_path):
    unigram = dataclasses.replace(small_classifier(), tokenizer=Tokenizer(unigram_backend()))
    with pytest.raises(ExportError, match="text cannot be the input of this model.*export with --input ids"):
        export_checkpoint(unigram, tmp_path / "out", formats=("tflite",), inputs="both")
