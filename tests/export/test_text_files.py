"""Files of both formats that take text: what they answer to bytes is what they answer to ids, and where it stands."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from graph_tokens import padded
from small_classifier import small_classifier
from text_backends import VARIED
from text_checkpoints import TEXT_CHECKPOINTS

from kerastx.errors import ExportError
from kerastx.runtime.results import BYTE_OUTPUTS, CUT
from kerastx.runtime.session import load
from kerastx_export.convert_onnx import graphs
from kerastx_export.export import export_checkpoint
from kerastx_export.text_input import text_input

TESTS = Path(__file__).resolve().parent.parent
OPERATORS = {
    "Abs", "Add", "And", "Cast", "Concat", "ConstantOfShape", "CumSum", "Div", "Equal", "Gather", "GatherElements",
    "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or",
    "Pad", "Range", "ReduceMax", "ReduceSum", "Reshape", "Shape", "Slice", "Squeeze", "Sub", "TopK", "Unsqueeze",
    "Where",
}  # fmt: skip
LOOPING = OPERATORS | {"Loop"}


@pytest.fixture(scope="module", params=TEXT_CHECKPOINTS)
def exported(request, text_export):
    """A checkpoint and the path of its files, without suffix."""
    checkpoint, _, path = text_export(request.param)
    return checkpoint, path


@pytest.fixture(params=["onnx", "tflite"])
def opened(request, exported):
    """A checkpoint and its file, opened."""
    checkpoint, path = exported
    return checkpoint, load(path.with_suffix(f".{request.param}"))


def given(checkpoint):
    """Varied texts, all at once, and as bytes."""
    texts = [text for text in VARIED if len(text.encode()) <= 512]
    sides = [texts, texts[::-1]] if checkpoint.pair else [texts]
    size = max(len(text.encode()) for text in texts)
    names = ("text", "pair")
    return sides, {name: padded(side, size) for name, side in zip(names, sides, strict=False)}


def test_texts_and_ids_give_one_answer(opened):
    checkpoint, session = opened
    sides, texts = given(checkpoint)
    encodings = checkpoint.tokenizer.encode_batch(*sides, max_length=checkpoint.max_length)
    expected = session.engine.run(checkpoint.tokenizer.pad(encodings, length=checkpoint.max_length))
    found = session.engine.run_text(texts)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=name)
    whole = [len(encoding) for encoding in checkpoint.tokenizer.encode_batch(*sides)]
    assert found[CUT][:, 0].tolist() == [length > checkpoint.max_length for length in whole]
    assert 0 < found[CUT].sum() < len(whole)


def test_a_text_alone_is_read_no_further_than_it_goes(exported):
    checkpoint, path = exported
    session = load(path.with_suffix(".onnx"))
    inputs = {name: padded(["the old film ?"], 14) for name in session.engine.text_inputs}
    longer = {name: np.pad(values, ((0, 0), (0, 80))) for name, values in inputs.items()}
    found = session.engine.run_text(inputs)
    for name, values in session.engine.run_text(longer).items():
        np.testing.assert_allclose(values, found[name], atol=1e-6, err_msg=name)
    if checkpoint.task == "tagging":
        assert found["probabilities"].shape[1] == len(checkpoint.tokenizer.encode("the old film ?"))


def test_behind_the_budget_nothing_is_read_and_the_answer_says_so(exported):
    _, path = exported
    session = load(path.with_suffix(".onnx"))
    budget = session.manifest.text["budget"]
    whole = "é" * (budget // 2) + "é"
    inputs = {name: padded([whole, "a"], budget + 2) for name in session.engine.text_inputs}
    found = session.engine.run_text(inputs)
    assert found[CUT][:, 0].tolist() == [True, False]
    shorter = session.engine.run_text({name: values[:, :budget] for name, values in inputs.items()})
    assert found.keys() == shorter.keys()
    for name in found.keys() - {CUT}:
        np.testing.assert_array_equal(found[name], shorter[name], err_msg=name)


@pytest.mark.parametrize("exported", ["wordpiece", "pair", "byte-pair"], indirect=True)
def test_answers_about_a_whole_text_have_no_places(opened):
    checkpoint, session = opened
    _, texts = given(checkpoint)
    assert not set(BYTE_OUTPUTS) & set(session.engine.run_text(texts))


@pytest.mark.parametrize("exported", ["tagging", "span"], indirect=True)
def test_places_are_bytes_of_the_text(opened):
    checkpoint, session = opened
    sides, texts = given(checkpoint)
    found = session.engine.run_text(texts)
    compared = 0
    for row, text in enumerate(sides[-1]):
        encoding = checkpoint.tokenizer.encode(*(side[row] for side in sides), max_length=checkpoint.max_length)
        for place, (begin, end) in enumerate(zip(*(found[name][row] for name in BYTE_OUTPUTS), strict=True)):
            at = (
                (place, place)
                if checkpoint.task == "tagging"
                else (found["starts"][row, place], found["ends"][row, place])
            )
            if max(at) < len(encoding) and (checkpoint.task == "tagging" or found["scores"][row, place] > -1000):
                wanted = text[encoding.offsets[at[0], 0] : encoding.offsets[at[1], 1]]
                assert text.encode()[begin:end].decode() == wanted
                compared += bool(wanted)
    assert compared > 2 * len(sides[-1])


def test_an_onnx_file_holds_the_weights_once_and_standard_operators_only(exported):
    checkpoint, path = exported
    model = onnx.load(path.with_suffix(".onnx"))
    large = [t.raw_data for graph in graphs(model.graph) for t in graph.initializer if len(t.raw_data) > 2000]
    assert len(set(large)) == len(large)
    branches = [node for node in model.graph.node if node.op_type == "If"]
    assert len(branches) == 1
    used = {node.op_type for graph in graphs(branches[0].attribute[0].g) for node in graph.node}
    used |= {node.op_type for graph in graphs(branches[0].attribute[1].g) for node in graph.node}
    wanted = LOOPING if checkpoint.tokenizer.family == "BPE" else OPERATORS
    assert used <= wanted, f"new operators: {', '.join(sorted(used - wanted))}"
    assert {node.domain for graph in graphs(model.graph) for node in graph.node} == {""}


@pytest.mark.parametrize(("kind", "imports"), [("onnx", "import onnxruntime"), ("tflite", "from ai_edge_litert")])
@pytest.mark.parametrize("exported", ["wordpiece", "byte-pair"], indirect=True)
def test_a_client_of_a_few_lines_without_our_library(exported, kind, imports):
    _, path = exported
    readme = (TESTS.parent / "README.md").read_text("utf-8")
    (lines,) = re.findall(rf"```python\n(import numpy as np\n{imports}.*?)```", readme, re.DOTALL)
    assert len([line for line in lines.splitlines() if line]) <= 15
    hidden = "import sys\nfor name in ('kerastx', 'tokenizers', 'tensorflow'): sys.modules[name] = None\n"
    sentence = "the old film was fine , and the cake ?"
    code = hidden + lines.replace("classification-dynamic_wi8_afp32", str(path)) + "print(*classify(sys.argv[1]))"
    command = [sys.executable, "-c", code, sentence]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = np.array(done.stdout.split(), np.float32)
    expected = load(path.with_suffix(f".{kind}")).predict([sentence])["probabilities"][0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_tokenizer_that_is_wrong_is_not_kept(tmp_path, monkeypatch, kind):
    checkpoint = small_classifier()
    other = type(checkpoint.tokenizer).train(["another text of other words"] * 9, vocabulary_size=120)
    wrong = text_input(dataclasses.replace(checkpoint, tokenizer=other))
    monkeypatch.setattr("kerastx_export.export.text_input", lambda *_, **__: wrong)
    with pytest.raises(ExportError, match="the tokenizer in the file has other token_ids than the tokenizer for"):
        export_checkpoint(checkpoint, tmp_path / "out", formats=(kind,), inputs="both")
    assert not list(tmp_path.rglob("*.onnx")) + list(tmp_path.rglob("*.tflite"))
