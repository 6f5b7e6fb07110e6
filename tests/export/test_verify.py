"""The right file passes; an altered one, and one of another checkpoint, say what differs."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest

from kerastx.artifact import read_manifest, seal
from kerastx.errors import ArtifactError, DataError, ExportError
from kerastx.text.tokenizer import Tokenizer
from kerastx_export import verify_file
from kerastx_export.probe_texts import probe_texts
from kerastx_export.verify import verify


@pytest.fixture(scope="module")
def files(exported):
    """A function from format and recipe to an exported post-norm file."""

    def path(kind: str, recipe: str = "fp32"):
        return exported("post-norm", recipe)[1] / f"classification-{recipe}.{kind}"

    return path


@pytest.fixture
def checkpoint(classifiers):
    return classifiers["post-norm"]


def test_the_public_name_is_this_function():
    assert verify_file is verify


@pytest.mark.parametrize(("kind", "recipe"), [("tflite", "dynamic_wi8_afp32"), ("onnx", "fp32")])
def test_the_right_file_passes(files, checkpoint, kind, recipe):
    path = files(kind, recipe)
    result = verify(path, checkpoint)
    assert result.recipe.name == recipe
    assert result.sha256 == read_manifest(path).sha256
    assert result.parity.agreement.texts == len(probe_texts())
    assert result.parity.score is None
    lines = result.summary().splitlines()
    assert lines[0] == f"{path}: unaltered, answers like its checkpoint"
    assert lines[1] == f"  recipe {recipe}, SHA-256 {result.sha256}"
    assert lines[2] == f"  compared on {len(probe_texts())} unlabelled texts of our own"
    assert lines[3].startswith("  logits: at most ")
    assert len(lines) == 6


def test_labelled_rows_are_scored(files, checkpoint, dev):
    result = verify(files("onnx"), checkpoint, dev=dev)
    assert (result.parity.score.rows, result.parity.score.keras, result.parity.score.file) == (150, 0.8, 0.8)
    assert "  accuracy on 150 rows: 80.00%, Keras 80.00%" in result.summary()


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
@pytest.mark.parametrize("place", [0.3, 0.9])
def test_an_altered_file_is_told(files, checkpoint, tmp_path, kind, place):
    content = bytearray(files(kind).read_bytes())
    content[int(place * len(content))] ^= 1
    altered = tmp_path / f"altered.{kind}"
    altered.write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"altered.{kind} is truncated or altered \(its SHA-256 does not match\)"):
        verify(altered, checkpoint)


def test_a_truncated_and_a_missing_file_are_told(files, checkpoint, tmp_path):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(files("tflite").read_bytes()[:-100])
    with pytest.raises(ArtifactError, match=r"cut.tflite is truncated or altered \(its end is missing\)"):
        verify(cut, checkpoint)
    with pytest.raises(ArtifactError, match=r"none.onnx: there is no such file"):
        verify(tmp_path / "none.onnx", checkpoint)


def test_a_file_of_another_checkpoint_says_what_differs(files, checkpoint, classifiers):
    def message(what):
        return rf"^the file was made from another checkpoint: its {what} differs$"

    with pytest.raises(ExportError, match=message("labels")):
        verify(files("onnx"), dataclasses.replace(checkpoint, labels=("hot", "mild", "cold")))
    with pytest.raises(ExportError, match=message("encoder config")):
        verify(files("onnx"), classifiers["pre-norm"])
    with pytest.raises(ExportError, match=message("max_length")):
        verify(files("onnx"), dataclasses.replace(checkpoint, max_length=32))
    other = Tokenizer.train(probe_texts()[::2], vocabulary_size=300)
    with pytest.raises(ExportError, match=message("tokenizer")):
        verify(files("onnx"), dataclasses.replace(checkpoint, tokenizer=other))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("fp32", r"fp32: logits is [\d.]+ away from Keras for .* tokens.*; at most 0.0001 is allowed"),
        ("dynamic_wi8_afp32", r"dynamic_wi8_afp32: decides like Keras on \d+\.\d% of \d+ texts"),
    ],
)
def test_other_weights_of_the_same_kind_are_told_by_their_answers(files, make_checkpoint, recipe, message):
    with pytest.raises(ExportError, match=message):
        verify(files("onnx", recipe), make_checkpoint(norm="post-norm", seed=6))


def test_weights_that_moved_a_little_are_told(files, make_checkpoint):
    nearly = make_checkpoint(norm="post-norm")
    kernel = next(variable for variable in nearly.model.weights if variable.path == "pooler/projection/kernel")
    kernel.assign(kernel.numpy() + np.float32(1e-3))
    with pytest.raises(ExportError, match=r"fp32: \w+ is 0.\d+ away from Keras"):
        verify(files("onnx"), nearly)


def test_an_unknown_recipe_is_told(files, checkpoint, tmp_path):
    model = onnx.load(files("onnx"))
    del model.metadata_props[:]
    manifest = dataclasses.replace(read_manifest(files("onnx")), recipe="static_wi4_ai8")
    (tmp_path / "new.onnx").write_bytes(seal(model.SerializeToString(), manifest, "onnx"))
    message = r"recipe 'static_wi4_ai8'; this version knows fp32, fp16, dynamic_wi8_afp32$"
    with pytest.raises(ExportError, match=message):
        verify(tmp_path / "new.onnx", checkpoint)


def test_an_older_file_lacks_newer_keys_of_the_config(files, checkpoint, tmp_path):
    model = onnx.load(files("onnx"))
    del model.metadata_props[:]
    manifest = read_manifest(files("onnx"))
    newer = ("embedding_dim", "share_layers", "has_pooler", "pooler_activation")
    old = {name: value for name, value in manifest.model.items() if name not in newer}
    path = tmp_path / "old.onnx"
    path.write_bytes(seal(model.SerializeToString(), dataclasses.replace(manifest, model=old), "onnx"))
    assert verify(path, checkpoint).recipe.name == "fp32"
    odd = dataclasses.replace(manifest, model={**old, "experts": 8})
    path.write_bytes(seal(model.SerializeToString(), odd, "onnx"))
    with pytest.raises(ExportError, match=r"encoder config that this version does not know: unknown .*'experts'"):
        verify(path, checkpoint)


def test_no_rows_are_no_comparison(files, checkpoint, dev):
    empty = dataclasses.replace(dev, texts=[], labels=[], targets=dev.targets[:0])
    with pytest.raises(DataError, match=r"^there are no labelled rows to compare on$"):
        verify(files("onnx"), checkpoint, dev=empty)
