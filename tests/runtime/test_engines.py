"""An engine runs a graph by exact names and dtypes, and says why it cannot load one."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from small_classifier import small_texts

from kerastx.artifact import read_artifact
from kerastx.errors import ArtifactError
from kerastx.runtime.engines import open_engine
from kerastx.runtime.session import load


@pytest.fixture
def engine(exported, engine_format):
    return open_engine(read_artifact(exported(engine_format)).content, engine_format)


@pytest.fixture
def inputs(exported):
    tokenizer = load(exported("onnx")).tokenizer
    return tokenizer.pad(tokenizer.encode_batch(small_texts()[:3], max_length=20))


def test_names_and_dtypes_are_those_of_the_graph(engine):
    assert engine.inputs == {"token_ids": np.int32, "segment_ids": np.int32, "padding_mask": np.bool_}
    assert engine.outputs == {"logits": np.float32, "probabilities": np.float32}


def test_both_engines_answer_alike(exported, inputs):
    found = [
        open_engine(read_artifact(exported(engine_format)).content, engine_format).run(inputs)
        for engine_format in ("tflite", "onnx")
    ]
    for name in ("logits", "probabilities"):
        # A tolerance for logits of about 1 after 40 products of float32.
        np.testing.assert_allclose(found[0][name], found[1][name], atol=5e-5)


def test_an_answer_outlives_the_next_run(engine, inputs):
    first = engine.run(inputs)
    kept = {name: value.copy() for name, value in first.items()}
    other = engine.run({**inputs, "token_ids": inputs["token_ids"][::-1].copy()})
    assert not np.allclose(other["logits"], kept["logits"])
    for name, value in kept.items():
        np.testing.assert_array_equal(first[name], value)


def test_sizes_may_change_from_run_to_run(engine, inputs):
    together = engine.run(inputs)["probabilities"]
    for row in range(3):
        alone = engine.run({name: value[row : row + 1] for name, value in inputs.items()})["probabilities"]
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


def test_other_names_are_refused(engine, inputs):
    renamed = {("ids" if name == "token_ids" else name): value for name, value in inputs.items()}
    for wrong in (renamed, {**inputs, "more": inputs["token_ids"]}, {"token_ids": inputs["token_ids"]}):
        with pytest.raises(ValueError, match=r"the graph takes \['padding_mask', 'segment_ids', 'token_ids'\], got"):
            engine.run(wrong)


def test_other_dtypes_are_refused_not_cast(engine, inputs):
    with pytest.raises(ValueError, match="token_ids must be int32, got int64"):
        engine.run({**inputs, "token_ids": inputs["token_ids"].astype(np.int64)})
    with pytest.raises(ValueError, match="padding_mask must be bool, got int32"):
        engine.run({**inputs, "padding_mask": inputs["padding_mask"].astype(np.int32)})


def test_an_unknown_format_has_no_engine():
    with pytest.raises(ValueError, match="engine_format must be 'tflite' or 'onnx', got 'pb'"):
        open_engine(b"", "pb")


@pytest.mark.parametrize(
    ("engine_format", "content", "reason"),
    [
        ("tflite", b"", "LiteRT cannot load the graph"),
        ("tflite", b"\x1c\x00\x00\x00TFL3" + bytes(100), "LiteRT cannot load the graph"),
        ("onnx", b"", "onnxruntime cannot load the graph"),
        ("onnx", b"no model at all", "onnxruntime cannot load the graph"),
    ],
)
def test_what_is_no_graph_is_an_error_of_one_line(engine_format, content, reason):
    with pytest.raises(ArtifactError, match=reason) as caught:
        open_engine(content, engine_format)
    assert "\n" not in str(caught.value)


def onnx_model(node: onnx.NodeProto, dtype: int) -> bytes:
    tensors = [helper.make_tensor_value_info(name, dtype, [1]) for name in ("x", "y")]
    model = helper.make_model(
        helper.make_graph([node], "graph", tensors[:1], tensors[1:]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return model.SerializeToString()


def test_an_onnx_operator_that_no_runtime_has_is_named():
    content = onnx_model(helper.make_node("Telepathy", ["x"], ["y"]), TensorProto.FLOAT)
    with pytest.raises(ArtifactError, match="onnxruntime cannot load the graph: .*Telepathy"):
        open_engine(content, "onnx")


def test_an_onnx_graph_of_other_dtypes_is_refused():
    content = onnx_model(helper.make_node("Identity", ["x"], ["y"]), TensorProto.DOUBLE)
    with pytest.raises(ArtifactError, match=r"x of the graph is a tensor\(double\); expected one of"):
        open_engine(content, "onnx")


def test_a_tflite_graph_with_two_signatures_is_refused(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    spec = [tf.TensorSpec([1], tf.float32, name="x")]
    functions = {name: tf.function(lambda x: {"y": x + 1.0}, input_signature=spec) for name in ("first", "second")}
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=functions)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "model"), signature_keys=list(functions))
    content = converter.convert()
    with pytest.raises(
        ArtifactError,
        match=r"expected a TFLite graph with one signature, or one called ids, found \['first', 'second'\]",
    ):
        open_engine(content, "tflite")


def tokenizers_graph(folder, sizes, *, names=("text",), dtype="int32"):
    """Return a graph with a model, ids, and tokenizers of several sizes that answer their size as the token ids."""
    import tensorflow as tf

    def tokenize(size):
        def function(*texts):
            ones = sum(tf.cast(text[:, :1], dtype) for text in texts) * 0 + 1
            is_one = ones > 0
            integers = dict.fromkeys(("segment_ids", "begins", "ends", "lengths"), ones)
            found = {"token_ids": ones * size, **integers, "padding_mask": is_one, "is_cut": is_one}
            return {name: tf.identity(value) for name, value in found.items()}

        return tf.function(function, input_signature=[tf.TensorSpec([1, size], tf.uint8, name=name) for name in names])

    module = tf.Module()
    spec = [tf.TensorSpec([1], tf.float32, name="x")]
    functions = {"ids": tf.function(lambda x: {"y": x + 1.0}, input_signature=spec)}
    functions |= {f"tokenize_{size}" if place else "tokenize": tokenize(size) for place, size in enumerate(sizes)}
    tf.saved_model.save(module, str(folder), signatures=functions)
    return tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=list(functions)).convert()


def test_a_text_goes_to_the_smallest_tokenizer_that_fits(tmp_path):
    engine = open_engine(tokenizers_graph(tmp_path / "model", (64, 16, 32)), "tflite")
    assert engine.budgets == (16, 32, 64)
    assert engine.text_inputs == ("text",)
    chosen = [int(engine.tokenize([b"x" * length])["token_ids"][0, 0]) for length in (0, 1, 16, 17, 32, 33, 64)]
    assert chosen == [16, 16, 16, 32, 32, 64, 64]
    assert engine.run({"x": np.ones(1, np.float32)})["y"].tolist() == [2.0]


def test_the_longer_of_a_pair_chooses_the_tokenizer(tmp_path):
    engine = open_engine(tokenizers_graph(tmp_path / "model", (16, 32), names=("text", "pair")), "tflite")
    assert engine.text_inputs == ("text", "pair")
    assert [int(engine.tokenize(pair)["token_ids"][0, 0]) for pair in ((b"x", b""), (b"", b"x" * 17))] == [16, 32]


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"names": ("words",)}, "found one of {'words': .*"),
        ({"dtype": "float32"}, ".* that answers .*'ends': .'float32'"),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused(tmp_path, choices, reason):
    content = tokenizers_graph(tmp_path / "model", (16,), **choices)
    with pytest.raises(ArtifactError, match=f"expected a tokenizer of bytes in the graph, {reason}"):
        open_engine(content, "tflite")


def test_a_text_longer_than_the_graph_takes_is_refused(exported):
    engine = open_engine(read_artifact(exported("tflite")).content, "tflite")
    most = engine.budgets[-1]
    with pytest.raises(ValueError, match=f"text must have at most {most} bytes, got {most + 1}"):
        engine.run_text({"text": np.ones((1, most + 1), np.uint8)})
    assert len(engine.run_text({"text": np.ones((2, most), np.uint8)})["probabilities"]) == 2
