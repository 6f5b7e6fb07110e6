"""Files that answer questions, of tokenizers with and without segments: the answers of Keras, and what is refused."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import onnx
import pytest
from text_backends import byte_bpe_backend

from kerastx.artifact import seal
from kerastx.checkpoint.spans import answer_questions
from kerastx.checkpoint.store import Checkpoint, build_model, load_checkpoint, save_checkpoint
from kerastx.data.labelled import LabelledData
from kerastx.data.questions import GivenAnswer, Question, QuestionData
from kerastx.errors import ArtifactError, CheckpointError, DataError, ExportError
from kerastx.models.config import EncoderConfig
from kerastx.runtime.answers import Answer, Candidate
from kerastx.runtime.session import load
from kerastx.text.question_windows import SpanSettings
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.agreement import same_answers
from kerastx_export.export import export_checkpoint
from kerastx_export.parity import _span_distance
from kerastx_export.tflite_graph import TfliteGraph
from kerastx_export.verify import verify

FORMATS = ("tflite", "onnx")
CONTEXTS = ["The owner paid 3.50 for unbelievable things.", "", "he said, the things are naïve. " * 40, "今天天气很好"]
QUESTIONS = ["Who paid?", "a", "What is naïve?", ""]


@pytest.fixture(scope="module")
def checkpoints(tokenizer):
    """BERT's template with segments, and RoBERTa's without."""

    @functools.cache
    def checkpoint(family: str) -> Checkpoint:
        own = tokenizer if family == "bert" else Tokenizer(byte_bpe_backend())
        config = EncoderConfig(
            vocabulary_size=own.vocabulary_size,
            hidden_dim=32,
            num_layers=1,
            num_heads=2,
            intermediate_dim=64,
            max_sequence_length=80,
            num_segments=2 if family == "bert" else 1,
        )
        model = build_model("span", config, tokenizer=own)
        noise = np.random.default_rng(8)
        for variable in model.weights:
            size = 1.0 if variable.path.startswith("span_head") else 0.3
            variable.assign(variable.numpy() + noise.normal(0, size, variable.shape))
        settings = SpanSettings(stride=11, max_answer_tokens=6, no_answer_threshold=0.25)
        return Checkpoint(model=model, tokenizer=own, config=config, task="span", max_length=48, span=settings)

    return checkpoint


@pytest.fixture(scope="module")
def files(checkpoints, tmp_path_factory):
    @functools.cache
    def folder(family: str, recipe: str):
        output = tmp_path_factory.mktemp(family) / recipe
        export_checkpoint(checkpoints(family), output, recipe=recipe, inputs="ids")
        return output

    return lambda family, kind, recipe="fp32": folder(family, recipe) / f"span-{recipe}.{kind}"


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_answers_like_keras(checkpoints, files, family, kind):
    checkpoint = checkpoints(family)
    expected = answer_questions(checkpoint, QUESTIONS, CONTEXTS)
    session = load(files(family, kind))
    found = session(QUESTIONS, CONTEXTS)
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.start, one.end) == (other.text, other.start, other.end)
        assert one.probability == pytest.approx(other.probability, abs=1e-3)
        assert [candidate.text for candidate in one.candidates] == [candidate.text for candidate in other.candidates]
    assert len(set(found[2].candidates)) > 2
    assert session.manifest.span == checkpoint.span.to_dict()
    assert sorted(session.engine.outputs) == ["ends", "null_score", "scores", "starts"]
    assert session.engine.outputs["starts"] == np.int32
    shapes = {tensor["name"]: tensor["shape"] for tensor in session.manifest.signature["outputs"]}
    assert shapes == {"ends": [None, 6], "null_score": [None, 1], "scores": [None, 6], "starts": [None, 6]}


def test_a_file_in_8_bits_is_kept_by_its_answers(checkpoints, files):
    for kind in FORMATS:
        result = verify(files("bert", kind, "dynamic_wi8_afp32"), checkpoints("bert"))
        assert result.parity.agreement.unit == "questions"
        assert result.parity.agreement.clear_share >= 0.97
        assert "unlabelled pairs of our own" in result.summary()


def test_every_operator_of_tflite_is_built_in(files):
    graph = TfliteGraph(files("roberta", "tflite").read_bytes())
    assert graph.operators["TOPK_V2"] == 1
    assert not [name for name in graph.operators if name.startswith("custom:")]


def questions(count):
    rows = [
        Question(str(number), QUESTIONS[number % 4], CONTEXTS[0], (GivenAnswer("owner", 4),), 1)
        for number in range(count)
    ]
    return QuestionData(rows)


def test_rows_of_another_kind_are_refused(checkpoints, tmp_path, small):
    rows = LabelledData.of(["a", "b"], ["x", "y"])
    with pytest.raises(DataError, match="the rows are labelled texts, the model answers questions about contexts"):
        export_checkpoint(checkpoints("bert"), tmp_path / "out", dev=rows, inputs="ids")
    with pytest.raises(DataError, match="the rows are questions about contexts, the model is for classification"):
        export_checkpoint(small, tmp_path / "out", dev=questions(4), inputs="ids")
    assert not (tmp_path / "out").exists()


def test_other_settings_are_another_checkpoint(checkpoints, files):
    checkpoint = checkpoints("bert")
    other = dataclasses.replace(checkpoint, span=dataclasses.replace(checkpoint.span, stride=12))
    with pytest.raises(ExportError, match="made from another checkpoint: its span differs"):
        verify(files("bert", "onnx"), other)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"span": {}}, "expected an object with max_answer_tokens, no_answer_threshold, stride as the settings"),
        ({"span": {"stride": 0, "max_answer_tokens": 6, "no_answer_threshold": None}}, "stride must be a positive"),
        ({"pair": False}, "says that it takes single texts"),
        ({"labels": ("a",)}, "it has labels, which the task span has not"),
    ],
)
def test_a_manifest_that_does_not_say_how_is_refused(files, tmp_path, entries, message):
    path = files("bert", "onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    manifest = dataclasses.replace(load(path).manifest, **entries)
    (tmp_path / "other.onnx").write_bytes(seal(model.SerializeToString(), manifest, "onnx"))
    with pytest.raises(ArtifactError, match=f"other.onnx: .*{message}"):
        load(tmp_path / "other.onnx")


def test_a_checkpoint_keeps_its_settings(checkpoints, tmp_path):
    checkpoint = checkpoints("roberta")
    again = load_checkpoint(save_checkpoint(tmp_path / "saved", checkpoint))
    assert (again.task, again.pair, again.span) == ("span", True, checkpoint.span)
    assert again(QUESTIONS, CONTEXTS) == checkpoint(QUESTIONS, CONTEXTS)
    config = tmp_path / "saved" / "config.json"
    config.write_text(config.read_text().replace('"stride": 11', '"stride": -1'))
    with pytest.raises(CheckpointError, match=r"config.json: stride must be a positive whole number, got -1"):
        load_checkpoint(tmp_path / "saved")


def test_a_span_model_needs_a_tokenizer(checkpoints):
    with pytest.raises(ValueError, match="the model of the task span is built for a tokenizer"):
        build_model("span", checkpoints("bert").config)


def test_spans_are_held_against_the_scores_of_keras():
    logits = {"start_logits": np.float32([[0, 1, 2, 3]]), "end_logits": np.float32([[0, 10, 20, 30]])}
    right = {"scores": [[33, 32]], "starts": [[3, 2]], "ends": [[3, 3]]}

    def distance(**changes):
        found = {name: np.array(values) for name, values in {**right, **changes}.items()}
        return _span_distance(found, logits)

    assert distance() == 0
    assert distance(starts=[[3, 1]]) == 1
    assert distance(ends=[[3, 4]]) == distance(ends=[[2, 3]]) == np.inf
    assert distance(scores=[[33, -5000]], starts=[[3, 99]]) == 0  # of what is no span nothing is asked


def answer(text, start, *others):
    candidates = [Candidate(one, 0, len(one), probability, 0.0) for one, probability in others]
    return Answer(text, start, start + len(text), candidates[0].probability, 0.0, tuple(candidates))


def test_answers_agree_as_far_as_they_overlap():
    keras = [answer("cat", 4, ("cat", 0.9), ("a cat", 0.1)), answer("dog", 0, ("dog", 0.51), ("", 0.49))]
    found = [answer("a cat", 2, ("a cat", 0.5), ("cat", 0.5)), answer("", 0, ("", 0.6), ("dog", 0.4))]
    result = same_answers(found, keras)
    assert (result.texts, result.share, result.clear_texts, result.unit) == (2, 0.0, 1, "questions")
    assert result.clear_share == pytest.approx(2 * 3 / (3 + 5))
    assert result.mean_drift == pytest.approx((0.4 + 0.11) / 2)
    assert same_answers(keras, keras).clear_share == 1
    assert same_answers([found[1]], [keras[0]]).clear_share == 0
