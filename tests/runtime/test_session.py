"""A session answers what Keras answers, whatever way the texts arrive in."""

from __future__ import annotations

import copy
import dataclasses
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from small_classifier import LABELS, MAX_LENGTH, small_classifier, small_texts

from kerastx.errors import ArtifactError, MissingExtraError
from kerastx.runtime.results import Classification
from kerastx.runtime.session import MAX_ROWS, MAX_TOKENS, Session, _mismatch, load

TEXTS = small_texts()
# Each row is computed by itself, in int8 too: both engines scale the activations of a product row by row. What a
# neighbour can change is the order of float additions; in int8 that may push a value over an edge of rounding.
ALONE_OR_TOGETHER = {"fp32": 1e-6, "dynamic_wi8_afp32": 1e-3}


def test_the_fp32_files_answer_like_keras(exported, engine_format):
    from kerastx.checkpoint.answering import predict

    found = load(exported(engine_format)).predict_probabilities(TEXTS)
    np.testing.assert_allclose(found, predict(small_classifier(), TEXTS)["probabilities"], atol=1e-4)
    assert {LABELS[index] for index in found.argmax(1)} == set(LABELS)  # nothing here holds for a constant answer


def test_a_text_gives_one_answer(session):
    answer = session(TEXTS[0])
    (probabilities,) = session.predict_probabilities([TEXTS[0]])
    best = int(probabilities.argmax())
    assert isinstance(answer, Classification)
    assert (answer.label, answer.probability) == (LABELS[best], float(probabilities[best]))
    assert answer.probabilities == {name: float(value) for name, value in zip(LABELS, probabilities, strict=True)}
    assert list(answer.probabilities.values()) == sorted(probabilities.tolist(), reverse=True)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_a_list_gives_a_list_in_its_order(session):
    answers = session(TEXTS)
    assert [answer.label for answer in answers] == [
        LABELS[index] for index in session.predict_probabilities(TEXTS).argmax(1)
    ]
    assert len({answer.label for answer in answers}) == 3
    assert session(TEXTS[::-1]) == answers[::-1]


def test_any_iterable_will_do(session):
    expected = session(TEXTS[:5])
    assert session(text for text in TEXTS[:5]) == expected
    assert session(tuple(TEXTS[:5])) == expected
    assert session(dict.fromkeys(TEXTS[:5])) == expected
    assert session(np.array(TEXTS[:5])) == expected


def test_no_text_gives_no_answer(session):
    assert session([]) == []
    assert session.predict_probabilities(iter(())).shape == (0, 3)


def test_logits_and_probabilities_belong_together(session):
    found = session.predict(TEXTS[:9])
    exponentials = np.exp(found["logits"] - found["logits"].max(1, keepdims=True))
    np.testing.assert_allclose(found["probabilities"], exponentials / exponentials.sum(1, keepdims=True), atol=1e-5)


def test_an_empty_text_is_a_text(session):
    answer = session("")
    assert session(["", TEXTS[0], " \n"])[0].label == answer.label
    assert session(" \n").probabilities == pytest.approx(answer.probabilities, abs=1e-6)
    assert answer.probabilities != session(TEXTS[0]).probabilities


def test_a_long_text_is_cut(session):
    words = ["cat", "dog", "hill", "rain"] * 70_000
    assert len(" ".join(words)) > 2**20
    assert session(" ".join(words)) == session(" ".join(words[:MAX_LENGTH]))
    assert session(" ".join(words)) != session(" ".join(words[: MAX_LENGTH // 2]))


def test_a_lone_surrogate_counts_as_the_replacement_character(session):
    assert session("the \udc80 cat") == session("the \ufffd cat")


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (5, "expected a string or several, got int"),
        (None, "expected a string or several, got NoneType"),
        (b"bytes", "expected a string or several, got bytes"),
        (["a", None], "text 1 must be a string, got NoneType"),
        (["a", "b", b"c"], "text 2 must be a string, got bytes"),
        ([["a"]], "text 0 must be a string, got list"),
    ],
)
def test_what_is_no_text_is_refused_by_its_position(session, texts, reason):
    with pytest.raises(TypeError, match=reason):
        session(texts)


def test_a_string_is_not_taken_for_its_letters(session):
    with pytest.raises(TypeError, match="expected a string or several, got str"):
        session.predict("abc")


def test_neighbours_change_nothing(session, kind):
    alone = np.concatenate([session.predict_probabilities([text]) for text in TEXTS])
    generator = np.random.default_rng(20)
    for count in (2, 7, 33, len(TEXTS)):
        rows = generator.permutation(len(TEXTS))[:count]
        together = session.predict_probabilities([TEXTS[row] for row in rows])
        np.testing.assert_allclose(together, alone[rows], atol=ALONE_OR_TOGETHER[kind[1]], rtol=0)


def test_padding_changes_nothing(session, kind):
    encodings = session.tokenizer.encode_batch(TEXTS[:8], max_length=MAX_LENGTH)
    plain, wide = (session.engine.run(session.tokenizer.pad(encodings, length=size)) for size in (None, 47))
    np.testing.assert_allclose(wide["probabilities"], plain["probabilities"], atol=ALONE_OR_TOGETHER[kind[1]], rtol=0)


class CountingEngine:
    """Answers the number of real tokens of a row, and remembers the sizes of its steps."""

    inputs = {"padding_mask": np.dtype("bool")}
    outputs = {"probabilities": np.dtype("float32")}

    def __init__(self):
        self.steps = []

    def run(self, inputs):
        self.steps.append(inputs["padding_mask"].shape)
        counts = inputs["padding_mask"].sum(1, dtype=np.float32)
        return {"probabilities": np.stack([counts, -counts, 0 * counts], 1)}


def test_texts_of_like_length_run_together_and_return_in_order(exported):
    opened, engine = load(exported("onnx")), CountingEngine()
    manifest = dataclasses.replace(opened.manifest, max_length=10_000)
    lengths = np.random.default_rng(20).integers(1, 700, 300)
    found = Session(manifest, opened.tokenizer, engine).predict_probabilities("cat " * length for length in lengths)
    pieces = len(opened.tokenizer.encode("cat")) - 2
    np.testing.assert_array_equal(found[:, 0], lengths * pieces + 2)
    assert max(rows for rows, _ in engine.steps) <= MAX_ROWS
    assert max(rows * width for rows, width in engine.steps) <= MAX_TOKENS
    assert len(engine.steps) < 80  # full steps, not row by row
    assert sum(rows * width for rows, width in engine.steps) < 1.1 * found[:, 0].sum()


def test_a_text_longer_than_a_step_still_runs(exported):
    opened, engine = load(exported("onnx")), CountingEngine()
    manifest = dataclasses.replace(opened.manifest, max_length=10 * MAX_TOKENS)
    texts = ["cat", "cat " * (2 * MAX_TOKENS), "cat"]
    found = Session(manifest, opened.tokenizer, engine).predict_probabilities(texts)
    assert found[1, 0] > 2 * MAX_TOKENS
    assert found[0, 0] == found[2, 0] < 10


def test_threads_share_a_session(session):
    work = [TEXTS[start : start + size] for start in range(0, 50, 2) for size in (1, 3, 9)] * 3
    serial = [session.predict_probabilities(texts) for texts in work]
    with ThreadPoolExecutor(8) as pool:
        shared = list(pool.map(session.predict_probabilities, work))
    for expected, found in zip(serial, shared, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_an_engine_may_use_several_threads(exported, kind):
    one, two = (load(exported(*kind), threads=threads).predict_probabilities(TEXTS) for threads in (1, 2))
    np.testing.assert_allclose(two, one, atol=ALONE_OR_TOGETHER[kind[1]], rtol=0)
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        load(exported(*kind), threads=0)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"task": "ranking"}, "holds a ranking model; this kerastx runs classification"),
        ({"labels": ("good", "bad")}, "there are 2 labels and logits of the shape"),
        ({"labels": ("good", "bad", "good")}, "two labels have the same name"),
        ({"task": "regression"}, "the graph answers .*; expected score of the task regression"),
        ({"task": "embedding"}, "the graph answers .*; expected vector of the task embedding"),
    ],
)
def test_a_manifest_that_does_not_fit_its_graph_is_refused(resealed, engine_format, entries, reason):
    path = resealed(engine_format, **entries)
    with pytest.raises(ArtifactError, match=f"resealed.{engine_format}:? .*{reason}"):
        load(path)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("change", [{"name": "other"}, {"dtype": "int64"}, {"dtype": "no such"}, None], ids=str)
def test_a_signature_that_is_not_the_graph_s_is_refused(exported, resealed, engine_format, side, change):
    signature = copy.deepcopy(load(exported(engine_format)).manifest.signature)
    if change is None:
        del signature[side][0]
    else:
        signature[side][0].update(change)
    path = resealed(engine_format, signature=signature)
    with pytest.raises(ArtifactError, match=f"the manifest promises the {side} .*, the graph has .*"):
        load(path)


@pytest.mark.parametrize(
    ("task", "labels", "name", "shape", "reason"),
    [
        ("regression", (), "score", [None, 1], ""),
        (
            "regression",
            (),
            "score",
            [None, 2],
            r"expected one number for each text, got score of the shape \[None, 2\]",
        ),
        ("regression", ("a", "b"), "score", [None, 1], "it has labels, which the task regression has not"),
        ("embedding", (), "vector", [None, 8], ""),
        ("embedding", (), "vector", [None, None], r"expected one vector for each text, got vector of the shape"),
        ("embedding", (), "vector", [None, 8, 8], r"expected one vector for each text, got vector of the shape"),
        ("multi_label", ("a", "b"), "logits", [None, 3], r"there are 2 labels and logits of the shape \[None, 3\]"),
    ],
)
def test_the_shapes_of_a_graph_are_those_of_its_task(exported, task, labels, name, shape, reason):
    names = [name, "probabilities"] if name == "logits" else [name]
    tensors = [{"name": name, "dtype": "float32", "shape": shape} for name in names]
    manifest = load(exported("onnx")).manifest
    signature = {"inputs": manifest.signature["inputs"], "outputs": tensors}
    manifest = dataclasses.replace(manifest, task=task, labels=labels, signature=signature)
    engine = CountingEngine()
    engine.inputs = {tensor["name"]: np.dtype(tensor["dtype"]) for tensor in signature["inputs"]}
    engine.outputs = dict.fromkeys(names, np.dtype("float32"))
    assert re.fullmatch(f"{reason}.*" if reason else "", _mismatch(manifest, engine))


def test_a_resealed_file_without_a_change_still_answers(exported, resealed, engine_format):
    assert load(resealed(engine_format))(TEXTS[0]) == load(exported(engine_format))(TEXTS[0])


@pytest.mark.parametrize(
    ("engine_format", "module", "extra"),
    [("tflite", "ai_edge_litert", "litert"), ("onnx", "onnxruntime", "onnx")],
)
def test_a_missing_engine_names_the_command_that_installs_it(exported, monkeypatch, engine_format, module, extra):
    path = exported(engine_format)
    monkeypatch.setitem(sys.modules, module, None)
    if module == "ai_edge_litert":
        monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingExtraError, match=rf"{module} is needed .* run: pip install 'kerastx\[{extra}\]'"):
        load(path)


def test_what_a_manifest_says_of_texts_is_checked_in_both_formats(engine_format, resealed, exported):
    entry = load(exported(engine_format)).manifest.text
    for wrong, reason in (
        ({}, "has nothing; expected inputs"),
        ({**entry, "budget": "512"}, "has the budget '512'"),
        ({**entry, "inputs": []}, r"promises the inputs \[\], the graph has \['text'\]"),
        ({**entry, "inputs": ["text", "pair"]}, r"promises the inputs \['text', 'pair'\]"),
    ):
        with pytest.raises(ArtifactError, match=f"its manifest has a wrong entry: text {reason}"):
            load(resealed(engine_format, text=wrong))
    with pytest.raises(ArtifactError, match="and the file is for pairs"):
        load(resealed(engine_format, pair=True))


def test_a_tokenizer_that_the_library_cannot_read_is_refused(resealed):
    with pytest.raises(ArtifactError, match="expected the JSON of a tokenizer"):
        load(resealed("onnx", tokenizer="{}"))
