"""A checkpoint becomes files that answer like it, hold what the recipe promises, run anywhere."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from kerastx.errors import DataError, ExportError
from kerastx.runtime.session import load
from kerastx_export.export import export_checkpoint

NORMS = ("post-norm", "pre-norm")
RECIPES = ("fp32", "fp16", "dynamic_wi8_afp32")
FORMATS = ("tflite", "onnx")
TEXTS = [
    "A short one.",
    "The bridge was closed because of the storm, and the ferries did not sail until the evening of the next day.",
    "",
    "x = [1, 2, 3]  # numbers",
    "Nobody had expected the committee to answer the letter within a week.",
]
STORED = {"fp32": {"float32"}, "fp16": {"float16"}, "dynamic_wi8_afp32": {"int8"}}

all_files = [
    pytest.param(norm, recipe, kind, id=f"{norm}-{recipe}-{kind}")
    for norm in NORMS
    for recipe in RECIPES
    for kind in FORMATS
]


@pytest.fixture(scope="module")
def steps(classifiers):
    """Inputs of every kind, made here and not by the code under test, as name -> inputs."""
    checkpoint = classifiers["post-norm"]
    tokenizer, longest = checkpoint.tokenizer, checkpoint.config.max_sequence_length
    encodings = tokenizer.encode_batch(TEXTS, max_length=checkpoint.max_length)
    generator = np.random.default_rng(3)

    def full(rows: int, length: int):
        ids = generator.integers(0, tokenizer.vocabulary_size, (rows, length)).astype(np.int32)
        return {
            "token_ids": ids,
            "segment_ids": (ids % 2).astype(np.int32),
            "padding_mask": np.ones((rows, length), bool),
        }

    return {
        "one text": tokenizer.pad(encodings[1:2]),
        "padded rows": tokenizer.pad(encodings),
        "padded to the end": tokenizer.pad(encodings[:1], length=longest),
        "length 1": full(1, 1),
        "batch of length 1": full(5, 1),
        "maximum length": full(1, longest),
        "batch of maximum length": full(4, longest),
    }


@pytest.fixture(scope="module")
def keras_logits(classifiers, steps):
    """A function from norm to step name -> logits, asked of the Keras model itself."""

    @functools.cache
    def logits(norm: str):
        model = classifiers[norm].model
        return {name: model(inputs, training=False)["logits"].numpy() for name, inputs in steps.items()}

    return logits


@pytest.fixture(scope="module")
def opened(exported):
    @functools.cache
    def session(norm: str, recipe: str, kind: str):
        return load(exported(norm, recipe)[1] / f"classification-{recipe}.{kind}")

    return session


@pytest.mark.parametrize(("norm", "recipe", "kind"), all_files)
def test_a_file_answers_like_keras(opened, steps, keras_logits, norm, recipe, kind):
    # 8-bit products move a logit of this small model by a few hundredths; see test_quantize_onnx for each product.
    tolerance = {"fp32": 1e-4, "fp16": 1e-2, "dynamic_wi8_afp32": 0.2}[recipe]
    engine = opened(norm, recipe, kind).engine
    for name, inputs in steps.items():
        expected = keras_logits(norm)[name]
        found = engine.run(inputs)
        np.testing.assert_allclose(found["logits"], expected, rtol=0, atol=tolerance, err_msg=name)
        exponentials = np.exp(found["logits"] - found["logits"].max(axis=1, keepdims=True))
        softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found["probabilities"], softmax, rtol=0, atol=1e-5, err_msg=name)
    # A file that answers the same to everything is further than the tolerance from one of these rows.
    assert np.ptp(keras_logits(norm)["padded rows"], axis=0).max() > 2 * tolerance


@pytest.mark.parametrize(("norm", "recipe", "kind"), all_files)
def test_neighbours_and_padding_do_not_change_an_answer(opened, steps, norm, recipe, kind):
    session = opened(norm, recipe, kind)
    together = session.engine.run(steps["padded rows"])["logits"]
    poisoned = {name: values.copy() for name, values in steps["padded rows"].items()}
    poisoned["token_ids"][~poisoned["padding_mask"]] = session.tokenizer.mask_id
    poisoned["segment_ids"][~poisoned["padding_mask"]] = 1
    alone = np.concatenate([session.predict([text])["logits"] for text in TEXTS])
    # Sums in another order; in 8 bits a last-digit difference can also round an activation the other way.
    tolerance = 0.03 if recipe == "dynamic_wi8_afp32" else 1e-5
    np.testing.assert_allclose(together, alone, rtol=0, atol=tolerance)
    np.testing.assert_allclose(session.engine.run(poisoned)["logits"], together, rtol=0, atol=tolerance)


def matrices(path: Path) -> list[tuple[tuple[int, ...], str]]:
    """Return (shape, dtype) of the constants of a file with at least 4096 elements, read with others' code."""
    if path.suffix == ".onnx":
        found = [
            (tuple(entry.dims), onnx.TensorProto.DataType.Name(entry.data_type).lower().replace("float", "float32"))
            for entry in onnx.load(path).graph.initializer
        ]
        found = [(shape, dtype.replace("float3216", "float16")) for shape, dtype in found]
    else:
        model = schema.Model.GetRootAs(path.read_bytes(), 0)
        graph = model.Subgraphs(0)
        tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
        dtypes = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
        found = [
            (tuple(tensor.ShapeAsNumpy().tolist()), dtypes[tensor.Type()])
            for tensor in tensors
            if model.Buffers(tensor.Buffer()).DataLength() and tensor.ShapeLength()
        ]
    return [(shape, dtype) for shape, dtype in found if np.prod(shape) >= 4096]


def stored_shapes(variable, kind: str, *, last_block: str) -> list[tuple[int, ...]]:
    """Return the shapes that a weight is stored in: the projection to query, key and value in parts."""
    rows, columns = variable.shape
    if not variable.path.endswith("/qkv/kernel"):
        return [(rows, columns)]
    if kind == "onnx":
        return [(rows, columns // 3)] * 3
    return [(rows, rows), (rows, 2 * rows)] if last_block in variable.path else [(rows, columns)]


@pytest.mark.parametrize(("norm", "recipe", "kind"), all_files)
def test_every_table_and_kernel_is_stored_as_the_recipe_says(classifiers, exported, norm, recipe, kind):
    stored = matrices(exported(norm, recipe)[1] / f"classification-{recipe}.{kind}")
    assert {dtype for _, dtype in stored} == STORED[recipe]
    last_block = f"encoder_block_{classifiers[norm].config.num_layers - 1}/"
    expected = Counter(
        tuple(sorted(shape))
        for variable in classifiers[norm].model.weights
        if len(variable.shape) == 2 and np.prod(variable.shape) >= 4096
        for shape in stored_shapes(variable, kind, last_block=last_block)
    )
    assert Counter(tuple(sorted(shape)) for shape, _ in stored) == expected  # TFLite keeps kernels transposed
    config = classifiers[norm].config
    assert (config.vocabulary_size, config.hidden_dim) in expected or (64, config.vocabulary_size) in expected
    assert tuple(sorted((config.max_sequence_length, config.hidden_dim))) in expected


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("norm", NORMS)
def test_smaller_recipes_make_smaller_files(exported, norm, kind):
    sizes = {
        recipe: (exported(norm, recipe)[1] / f"classification-{recipe}.{kind}").stat().st_size for recipe in RECIPES
    }
    assert sizes["fp16"] < 0.6 * sizes["fp32"]
    assert sizes["dynamic_wi8_afp32"] < 0.42 * sizes["fp32"]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("norm", NORMS)
def test_onnx_files_are_standard_and_pass_the_checker(exported, norm, recipe):
    model = onnx.load(exported(norm, recipe)[1] / f"classification-{recipe}.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 23)]
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert all(onnx.defs.has(node.op_type, max_inclusive_version=23) for node in model.graph.node)
    assert not model.functions
    sizes = {
        tensor.name: [size.dim_param or size.dim_value for size in tensor.type.tensor_type.shape.dim]
        for tensor in (*model.graph.input, *model.graph.output)
    }
    assert sizes == {
        "token_ids": ["B", "T"],
        "segment_ids": ["B", "T"],
        "padding_mask": ["B", "T"],
        "logits": ["B", 3],
        "probabilities": ["B", 3],
    }


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("norm", NORMS)
def test_tflite_files_use_builtin_operators_only(exported, norm, recipe):
    content = (exported(norm, recipe)[1] / f"classification-{recipe}.tflite").read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    assert len(codes) > 5
    assert all(code.CustomCode() is None for code in codes)
    assert all(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) != schema.BuiltinOperator.CUSTOM for code in codes)


def test_the_same_checkpoint_gives_the_same_tflite_bytes(small, tmp_path):
    reports = [
        export_checkpoint(small, tmp_path / name, formats=["tflite"], recipe="fp32", inputs="ids")
        for name in ("a", "b")
    ]
    first, second = (report.paths[0].read_bytes() for report in reports)
    assert first == second


def test_the_manifest_says_what_the_file_is(classifiers, exported):
    report, folder = exported("post-norm", "dynamic_wi8_afp32")
    for file in report.files:
        manifest = load(folder / file.name).manifest
        assert manifest.labels == ("cold", "mild", "hot")
        assert manifest.recipe == "dynamic_wi8_afp32"
        assert manifest.max_length == 48
        assert manifest.model == classifiers["post-norm"].config.to_dict()
        assert manifest.description == "Weather, for tests."
        assert manifest.versions["keras"] == keras.__version__
        assert manifest.sha256 == file.sha256


def test_the_folder_holds_files_and_reports_and_nothing_else(exported):
    report, folder = exported("post-norm", "fp16")
    names = ["classification-fp16.tflite", "classification-fp16.onnx", "report.json", "report.md"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert report.paths == [folder / name for name in names]
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []
    assert (folder / "report.json").read_text(encoding="utf-8") == report.to_json()
    assert (folder / "report.md").read_text(encoding="utf-8") == report.to_markdown()


def test_one_format_alone_and_its_progress(small, tmp_path):
    seen = []
    report = export_checkpoint(
        small,
        tmp_path / "out",
        formats=("onnx", "onnx"),
        recipe="fp32",
        progress=lambda *step: seen.append(step),
        inputs="ids",
    )
    assert [file.name for file in report.files] == ["classification-fp32.onnx"]
    assert seen == [("export onnx", done, 4) for done in range(5)]
    assert not list((tmp_path / "out").glob("*.tflite"))


def test_an_existing_output_is_kept_without_force_and_replaced_with_it(small, tmp_path):
    checkpoint, output = small, tmp_path / "out"
    output.mkdir()
    (output / "classification-fp32.onnx").write_text("precious")
    (output / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"out/classification-fp32.onnx exists; .* use --force"):
        export_checkpoint(checkpoint, output, formats=["onnx"], recipe="fp32", inputs="ids")
    assert (output / "classification-fp32.onnx").read_text() == "precious"
    assert len(list(output.iterdir())) == 2
    report = export_checkpoint(checkpoint, output, formats=["onnx"], recipe="fp32", force=True, inputs="ids")
    assert load(output / "classification-fp32.onnx").manifest.sha256 == report.files[0].sha256
    assert (output / "notes.txt").read_text() == "mine"


def test_wrong_arguments_are_named(small, tmp_path):
    checkpoint = small
    with pytest.raises(ValueError, match=r"recipe must be one of fp32, fp16, dynamic_wi8_afp32, got 'int4'"):
        export_checkpoint(checkpoint, tmp_path / "out", recipe="int4", inputs="ids")
    with pytest.raises(ValueError, match=r"formats must be of tflite, onnx, got \('tflite', 'coreml'\)"):
        export_checkpoint(checkpoint, tmp_path / "out", formats=["tflite", "coreml"], inputs="ids")
    with pytest.raises(ValueError, match=r"formats must be of tflite, onnx, got \(\)"):
        export_checkpoint(checkpoint, tmp_path / "out", formats=[], inputs="ids")
    assert list(tmp_path.iterdir()) == []


def test_labels_of_another_task_are_refused(small, dev, tmp_path):
    other = dataclasses.replace(dev, labels=["warm", *dev.labels[1:]])
    with pytest.raises(DataError, match=r"the rows have the label 'warm', the model knows cold, mild, hot"):
        export_checkpoint(small, tmp_path / "out", dev=other, inputs="ids")
    assert list(tmp_path.iterdir()) == []


def test_scores_are_those_of_the_labelled_rows(exported):
    report, _ = exported("post-norm", "dynamic_wi8_afp32")
    for file in json.loads(report.to_json())["files"]:
        score = file["score"]
        assert (score["rows"], score["keras"]) == (150, 0.8)
        assert abs(score["file"] - 0.8) < 0.1
        assert score["interval_95"][0] < score["difference"] < score["interval_95"][1]
    assert report.compared_on == "150 labelled rows"
