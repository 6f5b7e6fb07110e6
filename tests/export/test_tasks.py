"""Files of every task, for texts and pairs, from encoders of every family: all answer like Keras."""

from __future__ import annotations

import dataclasses
import functools
import json

import keras
import numpy as np
import onnx
import pytest

from kerastx.data.labelled import LabelledData
from kerastx.errors import DataError, ExportError
from kerastx.runtime.results import Classification, MultiLabel, Regression
from kerastx.runtime.session import load
from kerastx_export.constants import onnx_constants
from kerastx_export.convert_onnx import convert
from kerastx_export.export import export_checkpoint
from kerastx_export.tflite_graph import TfliteGraph
from kerastx_export.verify import verify

FORMATS = ("tflite", "onnx")
RECIPES = ("fp32", "dynamic_wi8_afp32")
TEXTS = ["A short one.", "", "The bridge was closed because of the storm, and the ferries did not sail.", "x = [1, 2]"]
SECONDS = ["Another.", "Nobody had expected the committee to answer the letter within a week.", "", "y"]

# What sets the families apart that files are made from.
FAMILIES = {
    "roberta": {"task": "multi_label", "labels": ("a", "b", "c", "d"), "num_segments": 1},
    "albert": {
        "labels": ("no", "yes"),
        "pair": True,
        "embedding_dim": 32,
        "share_layers": True,
        "num_layers": 3,
        "activation": "gelu_tanh",
    },
    "electra": {"task": "regression", "labels": (), "pair": True, "embedding_dim": 32, "pooler_activation": "gelu"},
    "distilbert": {"num_segments": 1, "pooler_activation": "relu", "activation": "relu"},
    "sentences": {"task": "embedding", "labels": ()},
}
# 8-bit products move the outputs of these small models by a few hundredths.
TOLERANCES = {"fp32": 1e-4, "dynamic_wi8_afp32": 0.25}

all_files = [
    pytest.param(family, recipe, kind, id=f"{family}-{recipe}-{kind}")
    for family in FAMILIES
    for recipe in RECIPES
    for kind in FORMATS
]


@pytest.fixture(scope="module")
def checkpoints(make_checkpoint):
    @functools.cache
    def checkpoint(family: str):
        return make_checkpoint(**FAMILIES[family])

    return checkpoint


@pytest.fixture(scope="module")
def exports(checkpoints, tmp_path_factory):
    """A function from family and recipe to the report and the folder of an export to both formats."""

    @functools.cache
    def export(family: str, recipe: str):
        folder = tmp_path_factory.mktemp(family) / recipe
        return export_checkpoint(checkpoints(family), folder, recipe=recipe, inputs="ids"), folder

    return export


@pytest.fixture(scope="module")
def file_of(exports, checkpoints):
    def path(family: str, recipe: str, kind: str):
        return exports(family, recipe)[1] / f"{checkpoints(family).task}-{recipe}.{kind}"

    return path


def keras_outputs(checkpoint, texts, pairs=None) -> dict[str, np.ndarray]:
    """Ask the Keras model itself, and write the probabilities out by hand."""
    encodings = checkpoint.tokenizer.encode_batch(texts, pairs, max_length=checkpoint.max_length)
    found = checkpoint.model(checkpoint.tokenizer.pad(encodings), training=False)
    found = {name: values.numpy() for name, values in found.items()}
    if checkpoint.task == "classification":
        found["probabilities"] = np.exp(found["logits"]) / np.exp(found["logits"]).sum(axis=1, keepdims=True)
    elif checkpoint.task == "multi_label":
        found["probabilities"] = 1 / (1 + np.exp(-found["logits"]))
    return found


@pytest.mark.parametrize(("family", "recipe", "kind"), all_files)
def test_a_file_answers_like_keras(checkpoints, file_of, family, recipe, kind):
    checkpoint = checkpoints(family)
    pairs = SECONDS if checkpoint.pair else None
    expected = keras_outputs(checkpoint, TEXTS, pairs)
    found = load(file_of(family, recipe, kind)).predict(TEXTS, pairs)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], values, rtol=0, atol=TOLERANCES[recipe], err_msg=name)
        assert np.ptp(values, axis=0).max() > 0.05  # which nothing that answers the same to every text would meet
    if checkpoint.pair:  # the second text is read
        other = load(file_of(family, recipe, kind)).predict(TEXTS, SECONDS[::-1])
        assert max(np.abs(other[name] - found[name]).max() for name in found) > 1e-3


@pytest.mark.parametrize(("family", "recipe", "kind"), all_files)
def test_a_file_has_all_three_inputs_and_the_outputs_of_its_task(checkpoints, file_of, family, recipe, kind):
    session, checkpoint = load(file_of(family, recipe, kind)), checkpoints(family)
    outputs = {"multi_label": ["logits", "probabilities"], "regression": ["score"], "embedding": ["vector"]}
    assert session.engine.inputs == {
        "token_ids": np.dtype("int32"),
        "segment_ids": np.dtype("int32"),
        "padding_mask": np.dtype("bool"),
    }
    assert sorted(session.engine.outputs) == outputs.get(checkpoint.task, ["logits", "probabilities"])
    manifest = session.manifest
    assert (manifest.task, manifest.labels, manifest.pair) == (checkpoint.task, checkpoint.labels, checkpoint.pair)
    width = {"regression": 1, "embedding": 64}.get(checkpoint.task, len(checkpoint.labels))
    assert [tensor["shape"] for tensor in manifest.signature["outputs"]] == [[None, width]] * len(
        session.engine.outputs
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_an_input_that_no_layer_reads_stays_an_input(make_checkpoint, tmp_path, kind):
    checkpoint = make_checkpoint(num_layers=1)
    inputs = checkpoint.model.input
    zeros = keras.ops.zeros_like(inputs["token_ids"])
    logits = checkpoint.model({**inputs, "segment_ids": zeros})["logits"]
    blind = dataclasses.replace(checkpoint, model=keras.Model(inputs, {"logits": logits}, name="classifier"))
    export_checkpoint(blind, tmp_path / "out", formats=[kind], recipe="dynamic_wi8_afp32", inputs="ids")
    session = load(tmp_path / "out" / f"classification-dynamic_wi8_afp32.{kind}")
    assert session.engine.inputs.keys() == {"token_ids", "segment_ids", "padding_mask"}
    found = session.predict(TEXTS)["logits"]
    np.testing.assert_allclose(found, keras_outputs(checkpoint, TEXTS)["logits"], rtol=0, atol=0.25)


def test_the_signature_of_a_tflite_file_is_named_after_its_task(file_of):
    for family, task in (("roberta", "multi_label"), ("electra", "regression"), ("sentences", "embedding")):
        graph = TfliteGraph(file_of(family, "fp32", "tflite").read_bytes())
        assert [entry.signatureKey for entry in graph.model.signatureDefs] == [task.encode()]


@pytest.mark.parametrize(
    ("family", "kind_of_answer"),
    [("roberta", MultiLabel), ("albert", Classification), ("electra", Regression), ("sentences", np.ndarray)],
)
def test_a_session_answers_what_the_task_is_about(checkpoints, file_of, family, kind_of_answer):
    session, checkpoint = load(file_of(family, "fp32", "onnx")), checkpoints(family)
    pairs = SECONDS if checkpoint.pair else None
    answers = session(TEXTS, pairs)
    one = session(TEXTS[2], pairs and pairs[2])
    expected = keras_outputs(checkpoint, TEXTS, pairs)
    assert all(isinstance(answer, kind_of_answer) for answer in (one, *answers))
    for row, answer in enumerate(answers):
        if family == "roberta":
            chosen = {label for label, p in zip("abcd", expected["probabilities"][row], strict=True) if p >= 0.5}
            assert set(answer.labels) == chosen
        elif family == "albert":
            assert answer.label == ("no", "yes")[expected["logits"][row].argmax()]
        elif family == "electra":
            assert answer.score == pytest.approx(expected["score"][row, 0], abs=1e-4)
        else:
            assert answer.dtype == np.float32
            np.testing.assert_allclose(answer, expected["vector"][row], atol=1e-4)
            assert np.linalg.norm(answer) == pytest.approx(1, abs=1e-5)


def test_pairs_are_given_to_files_of_pairs_and_to_no_others(file_of):
    of_pairs, of_texts = load(file_of("albert", "fp32", "onnx")), load(file_of("distilbert", "fp32", "onnx"))
    with pytest.raises(ValueError, match=r"^this file answers pairs of texts: give the second ones as pairs\.$"):
        of_pairs("a text")
    with pytest.raises(ValueError, match=r"^this file answers single texts: it takes no pairs\.$"):
        of_texts("a text", "a pair")
    with pytest.raises(ValueError, match=r"pairs must be as many as texts, got 1 and 2"):
        of_pairs(["a", "b"], ["c"])
    with pytest.raises(TypeError, match=r"expected a string as the pair of one text, got list"):
        of_pairs("a", ["b"])
    with pytest.raises(TypeError, match=r"pair 1 must be a string, got int"):
        of_pairs(["a", "b"], ["c", 5])
    with pytest.raises(ValueError, match=r"^a file for embedding answers no probabilities; use predict\.$"):
        load(file_of("sentences", "fp32", "onnx")).predict_probabilities(["a"])


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("kind", FORMATS)
def test_one_block_for_all_layers_is_stored_once(checkpoints, file_of, kind, recipe):
    """A shared block costs nothing for each further layer but the nodes that use it."""
    checkpoint = checkpoints("albert")
    path = file_of("albert", recipe, kind)
    if kind == "onnx":
        constants = onnx_constants(onnx.load(path))
    else:
        constants = TfliteGraph(path.read_bytes()).constants
    stored = sum(constant.size for constant in constants if constant.size >= 1024)
    weights = sum(int(np.prod(v.shape)) for v in checkpoint.model.weights if np.prod(v.shape) >= 1024)
    assert stored == weights


def test_the_attention_of_a_shared_block_behind_a_projection_is_one_node(checkpoints):
    model = convert(checkpoints("albert").model, "classification")
    assert sum(node.op_type == "Attention" for node in model.graph.node) == 3


@pytest.mark.parametrize("family", ["roberta", "electra", "sentences"])
def test_a_file_without_labelled_rows_is_compared_in_the_words_of_its_task(exports, family):
    report, folder = exports(family, "dynamic_wi8_afp32")
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    markdown, summary = (folder / "report.md").read_text(encoding="utf-8"), report.summary()
    for file in content["files"]:
        found = file["agreement"]
        assert (file["score"], file["scores"]) == (None, [])
        if family == "roberta":
            assert found["clear_share"] >= 0.97
            assert "decides like Keras" in summary
            assert "every probability is at least 0.05 from 0.5" in markdown
        elif family == "electra":
            assert found["mean_difference"] <= 0.1
            assert 0.98 < found["spearman"] <= 1
            assert "Spearman with Keras" in summary
            assert "standard deviations from those of Keras" in markdown
            assert content["pair"]
            assert "unlabelled pairs of our own" in summary
        else:
            assert found["lowest_cosine"] <= found["mean_cosine"] <= 1.0001
            assert found["mean_cosine"] > 0.99
            assert "cosine with Keras" in summary
            assert "parameters. Recipe" in markdown


def rows_of(checkpoint, count: int = 60) -> LabelledData:
    """Rows of a task, of which the checkpoint gets most right."""
    texts = [f"{text} {number}" for number in range(count // 4) for text in TEXTS]
    pairs = [f"{text} {number}" for number in range(count // 4) for text in SECONDS] if checkpoint.pair else None
    outputs, noise = keras_outputs(checkpoint, texts, pairs), np.random.default_rng(7)
    if checkpoint.task == "regression":
        targets = outputs["score"] + noise.normal(0, outputs["score"].std() / 2, outputs["score"].shape)
        return LabelledData.of_numbers(texts, targets[:, 0].tolist(), pairs=pairs)
    if checkpoint.task == "multi_label":
        targets = (outputs["logits"] > 0) ^ (noise.random(outputs["logits"].shape) < 0.2)
        # In another order than the model's, and without one of its labels.
        names, columns = ("d", "b", "a"), [3, 1, 0]
        return LabelledData(texts, [""] * count, names, targets[:, columns].astype(np.float32), None, "multi_label")
    answers = (outputs["logits"].argmax(axis=1) + (noise.random(len(texts)) < 0.2)) % len(checkpoint.labels)
    data = LabelledData.of(texts, [checkpoint.labels[answer] for answer in answers], checkpoint.labels)
    return dataclasses.replace(data, pairs=pairs)


@pytest.mark.parametrize(
    ("family", "metrics"),
    [
        ("roberta", ["micro_f1"]),
        ("albert", ["accuracy", "f1"]),
        ("electra", ["spearman"]),
        ("distilbert", ["accuracy"]),
    ],
)
def test_labelled_rows_give_the_metrics_of_the_task(checkpoints, file_of, family, metrics):
    checkpoint = checkpoints(family)
    rows = rows_of(checkpoint)
    result = verify(file_of(family, "fp32", "onnx"), checkpoint, dev=rows)
    assert [score.metric for score in result.parity.scores] == metrics
    for score in result.parity.scores:
        assert score.rows == 60
        assert 0.3 < score.keras < 1
        assert score.file == pytest.approx(score.keras, abs=1e-3)
        assert score.interval[0] <= score.difference <= score.interval[1]
        assert "on 60 rows: " in result.summary()


def test_micro_f1_looks_at_the_labels_by_their_names(checkpoints, file_of):
    checkpoint, rows = checkpoints("roberta"), rows_of(checkpoints("roberta"))
    (score,) = verify(file_of("roberta", "fp32", "onnx"), checkpoint, dev=rows).parity.scores
    found = keras_outputs(checkpoint, rows.texts)["probabilities"] >= 0.5
    wanted = np.zeros(found.shape, bool)
    wanted[:, [3, 1, 0]] = rows.targets > 0
    assert score.keras == pytest.approx(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))


def test_rows_of_another_kind_are_refused(checkpoints, file_of):
    def message(family, rows):
        with pytest.raises(DataError) as error:
            verify(file_of(family, "fp32", "onnx"), checkpoints(family), dev=rows)
        return str(error.value)

    singles, pairs = rows_of(checkpoints("distilbert")), rows_of(checkpoints("albert"))
    assert message("albert", singles).startswith("the rows are single texts, the model answers pairs; name the column")
    assert message("distilbert", pairs) == "the rows are pairs of texts, the model answers single ones"
    assert message("roberta", singles) == "the rows are for classification, the model is for multi_label"
    unknown = dataclasses.replace(rows_of(checkpoints("roberta")), label_names=("d", "b", "z"))
    assert message("roberta", unknown) == "the rows have the label 'z', the model knows a, b, c, d"


def test_a_file_says_of_what_task_and_for_what_rows_it_was_made(checkpoints, file_of):
    path, checkpoint = file_of("albert", "fp32", "onnx"), checkpoints("albert")
    with pytest.raises(ExportError, match=r"made from another checkpoint: its pair differs$"):
        verify(path, dataclasses.replace(checkpoint, pair=False))
    with pytest.raises(ExportError, match=r"made from another checkpoint: its task differs$"):
        verify(path, checkpoints("electra"))
