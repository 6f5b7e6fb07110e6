"""The entries of a manifest, of older files and of every task."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile

import onnx
import pytest
from test_artifact import FILES, FORMATS, GRAPHS, MANIFEST, manifest_values

from kerastx.artifact import VERSION, Manifest, read_manifest, seal
from kerastx.errors import ArtifactError


def manifest_of(folder, content: bytes, engine_format: str) -> Manifest:
    path = folder / f"file.{engine_format}"
    path.write_bytes(content)
    return read_manifest(path)


@pytest.mark.parametrize("engine_format", FORMATS)
def test_files_of_version_1_are_for_single_texts(tmp_path, engine_format):
    old = {**manifest_values(), "version": 1}
    del old["pair"], old["span"], old["text"], old["source_tokenizer"], old["detokenizer"]
    manifest = manifest_of(tmp_path, FILES[engine_format](json.dumps(old)), engine_format)
    assert (manifest.version, manifest.pair) == (1, False)
    assert dataclasses.replace(manifest, version=VERSION, sha256="") == MANIFEST
    with pytest.raises(ArtifactError, match="missing or unknown entries: pair"):
        manifest_of(tmp_path, FILES[engine_format](json.dumps({**old, "pair": True})), engine_format)


@pytest.mark.parametrize("engine_format", FORMATS)
def test_files_of_version_2_answer_no_questions(tmp_path, engine_format):
    old = {**manifest_values(), "version": 2}
    del old["span"], old["text"], old["source_tokenizer"], old["detokenizer"]
    assert manifest_of(tmp_path, FILES[engine_format](json.dumps(old)), engine_format).span == {}
    with pytest.raises(ArtifactError, match="wrong entry: text is not an object"):
        manifest_of(tmp_path, FILES[engine_format](json.dumps({**manifest_values(), "text": []})), engine_format)
    with pytest.raises(ArtifactError, match="wrong entry: span is not an object"):
        manifest_of(tmp_path, FILES[engine_format](json.dumps({**manifest_values(), "span": 1})), engine_format)


@pytest.mark.parametrize("engine_format", FORMATS)
def test_files_of_version_3_have_one_tokenizer(tmp_path, engine_format):
    old = {**manifest_values(), "version": 3}
    del old["source_tokenizer"], old["detokenizer"]
    assert manifest_of(tmp_path, FILES[engine_format](json.dumps(old)), engine_format).source_tokenizer == ""
    with pytest.raises(ArtifactError, match="wrong entry: source_tokenizer is not a string"):
        manifest_of(
            tmp_path, FILES[engine_format](json.dumps({**manifest_values(), "source_tokenizer": 1})), engine_format
        )


@pytest.mark.parametrize("engine_format", FORMATS)
def test_files_of_version_4_have_no_detokenizer(tmp_path, engine_format):
    old = {**manifest_values(), "version": 4}
    del old["detokenizer"]
    assert manifest_of(tmp_path, FILES[engine_format](json.dumps(old)), engine_format).detokenizer == {}
    with pytest.raises(ArtifactError, match="wrong entry: detokenizer is not an object"):
        manifest_of(tmp_path, FILES[engine_format](json.dumps({**manifest_values(), "detokenizer": 1})), engine_format)


@pytest.mark.parametrize("engine_format", FORMATS)
def test_a_file_for_pairs_and_without_labels_says_so(tmp_path, engine_format):
    manifest = dataclasses.replace(MANIFEST, task="regression", labels=(), pair=True)
    content = seal(GRAPHS[engine_format], manifest, engine_format)
    found = manifest_of(tmp_path, content, engine_format)
    assert (found.task, found.labels, found.pair) == ("regression", (), True)
    if engine_format == "tflite":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.namelist() == ["tokenizer.json", "kerastx.json"]
    else:
        assert "labels" not in {entry.key for entry in onnx.load_from_string(content).metadata_props}
